// SPDX-License-Identifier: BSL-1.0
#pragma once

// What core/base/atomic.hpp is in a model: the same names, on Relacy's atomics. A model includes this file before
// anything of coir, then the very header that it checks. Also: how a model says what its wrong variants are, and main.
//
// Relacy runs the threads of a test as fibers, one at a time, chooses at random who goes on at each atomic operation,
// and which of the values that the C++ memory model allows a load returns. It finds races, failed assertions, deadlock
// (all threads blocked), endless loops and leaks, in the executions that it tries.
//
// Wrong variants. A header says COIR_MODEL_WEAKEN(name, right, wrong) where an ordering (or a condition) is essential.
// A model built with COIR_MODEL_WRONG runs once for each name that it lists, with `wrong` in that place; Relacy must
// reject every one of these runs, and main then returns 1. If one gets through, the model proves nothing about that
// place: main says so and returns 0, which the test takes for a failure.

#ifndef COIR_MODEL
#error "models are built with COIR_MODEL"
#endif
#define COIR_MODEL_ATOMIC 1

// Everything of the standard library that models and their headers use, before Relacy's macros.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <queue>
#include <set>
#include <sstream>
#include <stack>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <pthread.h>
#include <sys/time.h>
#include <unistd.h>

#pragma push_macro("assert")
#pragma push_macro("errno")
#include <relacy/relacy.hpp>
#pragma pop_macro("errno")
#pragma pop_macro("assert")
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst

#include <coir/core/base/assert.hpp>

// Relacy replaces new and delete, to find leaks and uses after free, but is older than the sized delete.
void operator delete(void* memory, std::size_t) noexcept {
    ::operator delete(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    ::operator delete[](memory);
}

namespace coir::detail {

using std::memory_order;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;

/// The name whose COIR_MODEL_WEAKEN is wrong in this run; empty in the right variant.
inline std::string_view model_weakened;

#define COIR_MODEL_WEAKEN(name, right, wrong)                                                                          \
    (::coir::detail::model_weakened == std::string_view(#name) ? (wrong) : (right))

constexpr rl::memory_order to_relacy(memory_order order) noexcept {
    switch (order) {
    case memory_order_relaxed:
        return rl::mo_relaxed;
    case std::memory_order_consume:
    case memory_order_acquire:
        return rl::mo_acquire;
    case memory_order_release:
        return rl::mo_release;
    case memory_order_acq_rel:
        return rl::mo_acq_rel;
    case memory_order_seq_cst:
        break;
    }
    return rl::mo_seq_cst;
}

/// Where in the checked source an operation stands, for Relacy's histories: the default argument is the caller's place.
struct model_place {
    char const* function;
    char const* file;
    unsigned line;

    static constexpr model_place here(char const* function = __builtin_FUNCTION(), char const* file = __builtin_FILE(),
                                      unsigned line = static_cast<unsigned>(__builtin_LINE())) noexcept {
        return {function, file, line};
    }
    rl::debug_info relacy() const { return {function, file, line}; }
};

/// A fence that is weakened to relaxed is none.
inline void atomic_thread_fence(memory_order order, model_place place = model_place::here()) {
    if (order != memory_order_relaxed) {
        rl::atomic_thread_fence(to_relacy(order), place.relacy());
    }
}

/// std::atomic's interface, as far as coir uses it.
template <class T>
class atomic {
public:
    atomic() : atomic(T()) {}  // as in C++20
    atomic(T value) : value_(value) {}
    atomic(atomic const&) = delete;
    atomic& operator=(atomic const&) = delete;

    T load(memory_order order = memory_order_seq_cst, model_place place = model_place::here()) const {
        return value_.load(to_relacy(order), place.relacy());
    }

    void store(T value, memory_order order = memory_order_seq_cst, model_place place = model_place::here()) {
        value_.store(value, to_relacy(order), place.relacy());
    }

    T exchange(T value, memory_order order = memory_order_seq_cst, model_place place = model_place::here()) {
        return value_.exchange(value, to_relacy(order), place.relacy());
    }

    bool compare_exchange_weak(T& expected, T desired, memory_order success, memory_order failure,
                               model_place place = model_place::here()) {
        return value_.compare_exchange_weak(expected, desired, to_relacy(success), place.relacy(), to_relacy(failure),
                                            place.relacy());
    }

    bool compare_exchange_strong(T& expected, T desired, memory_order success, memory_order failure,
                                 model_place place = model_place::here()) {
        return value_.compare_exchange_strong(expected, desired, to_relacy(success), place.relacy(), to_relacy(failure),
                                              place.relacy());
    }

    bool compare_exchange_weak(T& expected, T desired, memory_order order = memory_order_seq_cst,
                               model_place place = model_place::here()) {
        return compare_exchange_weak(expected, desired, order, failure_of(order), place);
    }

    bool compare_exchange_strong(T& expected, T desired, memory_order order = memory_order_seq_cst,
                                 model_place place = model_place::here()) {
        return compare_exchange_strong(expected, desired, order, failure_of(order), place);
    }

    T fetch_add(T value, memory_order order = memory_order_seq_cst, model_place place = model_place::here()) {
        return value_.fetch_add(value, to_relacy(order), place.relacy());
    }

    T fetch_sub(T value, memory_order order = memory_order_seq_cst, model_place place = model_place::here()) {
        return value_.fetch_sub(value, to_relacy(order), place.relacy());
    }

    T fetch_and(T value, memory_order order = memory_order_seq_cst, model_place place = model_place::here()) {
        return value_.fetch_and(value, to_relacy(order), place.relacy());
    }

    T fetch_or(T value, memory_order order = memory_order_seq_cst, model_place place = model_place::here()) {
        return value_.fetch_or(value, to_relacy(order), place.relacy());
    }

    T fetch_xor(T value, memory_order order = memory_order_seq_cst, model_place place = model_place::here()) {
        return value_.fetch_xor(value, to_relacy(order), place.relacy());
    }

private:
    static constexpr memory_order failure_of(memory_order order) noexcept {
        return order == memory_order_acq_rel   ? memory_order_acquire
               : order == memory_order_release ? memory_order_relaxed
                                               : order;
    }

    rl::atomic<T> value_;
};

constexpr memory_order fenced(memory_order order) noexcept {
    return order;
}

inline void full_fence(memory_order order = memory_order_seq_cst, model_place place = model_place::here()) {
    atomic_thread_fence(order, place);
}

template <class T>
T load_after_full_fence(atomic<T>& word, memory_order order = memory_order_seq_cst,
                        model_place place = model_place::here()) {
    atomic_thread_fence(order, place);
    return word.load(memory_order_relaxed, place);
}

/// Plain memory, watched for data races.
template <class T>
class model_var {
public:
    model_var() = default;
    explicit model_var(T value) : value_(value) {}

    T load(model_place place = model_place::here()) const { return value_(place.relacy()).load(); }
    void store(T value, model_place place = model_place::here()) { value_(place.relacy()).store(value); }

private:
    rl::var<T> value_;
};

/// Lets one thread through for each set(), however many sets came before it waited (an eventfd, a futex token).
class model_event {
public:
    explicit model_event(model_place place = model_place::here()) : place_(place) {
        event_.init(false, false, place.relacy());
    }
    ~model_event() { event_.deinit(place_.relacy()); }
    model_event(model_event const&) = delete;
    model_event& operator=(model_event const&) = delete;

    void set(model_place place = model_place::here()) { event_.set(place.relacy()); }
    void wait(model_place place = model_place::here()) { event_.wait(false, false, place.relacy()); }

private:
    model_place place_;
    rl::generic_event event_;
};

/// Lets as many through as there were posts.
class model_semaphore {
public:
    void post(model_place place = model_place::here()) {
        unsigned before = 0;
        semaphore_->post(1, before, place.relacy());
    }
    void wait(model_place place = model_place::here()) { semaphore_->wait(false, false, place.relacy()); }

    model_semaphore() = default;
    ~model_semaphore() { rl::ctx().sema_dtor(semaphore_); }
    model_semaphore(model_semaphore const&) = delete;
    model_semaphore& operator=(model_semaphore const&) = delete;

private:
    rl::sema_data* semaphore_ = rl::ctx().sema_ctor(false, 0, 1000);
};

/// A lock of the surroundings that the model does not check. For std::lock_guard.
class model_mutex {
public:
    void lock() { mutex_.lock(place_.relacy()); }
    bool try_lock() { return mutex_.try_lock(place_.relacy()); }
    void unlock() { mutex_.unlock(place_.relacy()); }

private:
    model_place place_ = model_place::here();
    rl::mutex mutex_;
};

/// A failed COIR_VERIFY fails the execution. (Not inline: a model is one translation unit.)
[[noreturn]] void invariant_failed(char const* what, char const* file, int line) noexcept {
    rl::ctx().fail_test(what, rl::test_result_user_assert_failed,
                        rl::debug_info("", file, static_cast<unsigned>(line)));
    std::abort();
}

struct model_options {
    unsigned iterations = 100'000;
    unsigned depth_limit = 10'000;  ///< operations of one execution, beyond which it counts as endless
};

/// Runs Test (an rl::test_suite). True if no execution broke it.
template <class Test>
bool model_holds(model_options const& options = {}) {
    rl::test_params parameters;
    parameters.iteration_count = options.iterations;
    parameters.execution_depth_limit = options.depth_limit;
    std::ostringstream progress;
    parameters.progress_stream = &progress;
    return rl::simulate<Test>(parameters);
}

/// main's body. `run` runs the tests of the model; each of `wrong` names a COIR_MODEL_WEAKEN that `run` must reject.
template <class Run>
int model_main([[maybe_unused]] std::initializer_list<char const*> wrong, Run run) {
#if !COIR_MODEL_WRONG
    return run() ? 0 : 1;
#else
    for (char const* const name : wrong) {
        model_weakened = name;
        std::cout << "=== wrong variant: " << name << std::endl;
        if (run()) {
            std::cout << "not rejected: " << name << std::endl;
            return 0;
        }
    }
    return 1;
#endif
}

}  // namespace coir::detail
