// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a handle (task, future) and the one who completes it share: a result that comes once, and who waits for it.
//
// Roles: one completer (whoever won start_completion(); for a task the worker that runs it), any number of waiters and
// observers.
//
// The word holds the list of waiting nodes and two bits: k_done and k_locked.
//   0 -> k_done                             completed with nobody waiting: one compare-exchange
//   list -> list|k_locked -> list           a node is added or taken out
//   list -> list|k_locked -> k_done         completed: the nodes are called under the lock, their waiters woken after it
//
// Invariants
//   1. The result is written before k_done is set and not written afterwards; k_done (release) pairs with is_done()
//      (acquire).
//   2. A node is reachable only while it is linked; it is unlinked before its on_complete runs. So a waiter that was
//      woken by something else takes its node out under the lock (erase) before its frame ends.
//   3. Both the handle and the completer hold a reference until they have finished with the state, the completer until
//      after it has woken everybody.

#include <coir/core/base/atomic.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/task/record_memory.hpp>
#include <coir/core/task/waiter.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace coir::detail {

class done_callbacks;
class shared_state_base;

/// Where the callbacks of a state are, if it has any.
class callback_slot {
public:
    callback_slot() = default;
    callback_slot(callback_slot const&) = delete;
    callback_slot& operator=(callback_slot const&) = delete;
    ~callback_slot();

    /// Of `state`, whose slot this is. Throws std::bad_alloc.
    done_callbacks& get(shared_state_base& state);

private:
    atomic<done_callbacks*> callbacks_{nullptr};
};

/// Something to be done when a state completes. Lies in the frame of a waiter, or belongs to itself (callbacks).
struct completion_node {
    /// Called once, under the state's lock: must not wake, suspend, throw or take another state's lock. Waiters that
    /// it claims go into the list. Null: the node is the state's done_callbacks.
    void (*on_complete)(completion_node&, wake_list&) noexcept = nullptr;
    completion_node* next = nullptr;
    completion_node* previous = nullptr;
    bool linked = false;
};

/// The node of a plain wait for one state.
struct join_node : completion_node {
    explicit join_node(waiter& w) noexcept : who(&w) {
        on_complete = [](completion_node& self, wake_list& wakes) noexcept {
            wakes.claim(*static_cast<join_node&>(self).who);
        };
    }
    waiter* who;
};

class shared_state_base {
public:
    shared_state_base(shared_state_base const&) = delete;
    shared_state_base& operator=(shared_state_base const&) = delete;

    static void* operator new(std::size_t size) { return allocate_record(size_class_for(size)); }
    static void* operator new(std::size_t, void* memory) noexcept { return memory; }
    static void operator delete(void* memory, void*) noexcept { free_record(memory); }
    static void operator delete(void* memory, std::size_t) noexcept { free_record(memory); }

    bool is_done() const noexcept { return (word_.load(memory_order_acquire) & k_done) != 0; }

    /// Who comes to wait just then may be overlooked.
    bool somebody_waits() const noexcept { return list_of(word_.load(memory_order_acquire)) != nullptr; }

    // --- after is_done() -------------------------------------------------------------------------------------------
    bool was_cancelled() const noexcept { return outcome_ == outcome::cancelled; }
    bool has_error() const noexcept { return outcome_ != outcome::value; }
    /// The exception, marked as retrieved; null for a value. For a cancellation an exception_ptr to `cancelled`.
    std::exception_ptr error() noexcept;
    /// The exception of one that has failed, not marked.
    std::exception_ptr peek_error() const noexcept { return error_; }
    /// Throws the exception if there is one; it then counts as retrieved.
    void rethrow_error() {
        if (has_error()) [[unlikely]] {
            rethrow_failure();
        }
    }
    void mark_retrieved() noexcept { retrieved_.store(true, memory_order_relaxed); }
    bool error_was_retrieved() const noexcept { return retrieved_.load(memory_order_relaxed); }

    // --- waiting ---------------------------------------------------------------------------------------------------
    /// False if the state is done already; the node is then not linked and will not be called.
    bool add(completion_node& node) noexcept;
    void erase(completion_node& node) noexcept;

    /// Waits until done. A cancellation of the calling task is passed on to this state, as `await` does, and the call
    /// returns when it has ended. What get() does.
    void join() {
        if (!is_done()) {
            join_unfinished();
        }
    }
    /// Waits until done or the deadline. A cancellation of the calling task is thrown, and leaves this state alone.
    bool wait_until(clock::time_point deadline);
    /// Waits until done, come what may.
    void wait_uncancelled() noexcept;
    /// If `is_due`, for who was notified of its completion: waits for the few instructions until it is done.
    void await_completion(bool is_due) const noexcept;

    /// Asks whoever produces the result to give up. False if done already.
    virtual bool request_cancel(cancel_reason reason) noexcept = 0;
    virtual bool is_task() const noexcept { return false; }
    virtual callback_slot& callbacks() = 0;

    // --- completing ------------------------------------------------------------------------------------------------
    /// True for exactly one caller, who then sets the result and calls complete().
    bool start_completion() noexcept { return !completing_.exchange(true, memory_order_acq_rel); }
    bool completion_started() const noexcept { return completing_.load(memory_order_acquire); }
    void set_error(std::exception_ptr error) noexcept;
    void set_current_exception() noexcept;
    void set_cancelled(std::exception_ptr error = nullptr) noexcept;
    void complete() noexcept;

    // --- references ------------------------------------------------------------------------------------------------
    void add_reference() noexcept { record_references(this).fetch_add(1, memory_order_relaxed); }
    /// True, with a reference taken, unless the record is free or its object is being destroyed. Records are never given
    /// back to the system, so this may be asked of one that has ended long ago; what is there may be another object.
    static bool try_add_reference(void const* record) noexcept;
    void release_reference() noexcept { release_references(1); }

protected:
    /// join() of one that is not done and does not run in the caller's place.
    void join_elsewhere();

    void release_references(std::uint32_t count) noexcept {
        // acq_rel: the last one sees everything that the others did.
        if (record_references(this).fetch_sub(count, memory_order_acq_rel) == count) {
            destroy();
        }
    }

    /// With `references` references, of which the creator hands one to each holder.
    shared_state_base() noexcept = default;
    virtual ~shared_state_base() = default;

    /// To be called by the most derived constructor, last: from here on others can find the record.
    void publish(std::uint32_t references) noexcept { record_references(this).store(references, memory_order_release); }

    /// Runs when the last reference goes.
    virtual void destroy() noexcept { delete this; }

private:
    enum class outcome : std::uint8_t { value, error, cancelled };

    static constexpr std::uintptr_t k_done = 1;
    static constexpr std::uintptr_t k_locked = 2;
    static constexpr std::uintptr_t k_bits = k_done | k_locked;

    static completion_node* list_of(std::uintptr_t word) noexcept {
        return reinterpret_cast<completion_node*>(word & ~k_bits);
    }
    /// Locks; or returns false, unlocked, if done.
    bool lock(completion_node*& list) noexcept;
    void unlock(completion_node* list) noexcept {
        word_.store(reinterpret_cast<std::uintptr_t>(list), memory_order_release);
    }
    void complete_contended() noexcept;
    [[noreturn]] void rethrow_failure();
    void join_unfinished();

    atomic<std::uintptr_t> word_{0};
    std::exception_ptr error_;
    outcome outcome_ = outcome::value;
    atomic<bool> completing_{false};
    atomic<bool> retrieved_{false};
};

/// A counted reference to a state.
template <class State>
class state_ptr {
public:
    state_ptr() = default;
    /// Takes over a reference that the caller holds.
    static state_ptr adopt(State* state) noexcept {
        state_ptr result;
        result.state_ = state;
        return result;
    }
    static state_ptr share(State* state) noexcept {
        if (state != nullptr) {
            state->add_reference();
        }
        return adopt(state);
    }
    state_ptr(state_ptr&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    state_ptr(state_ptr const& other) noexcept : state_(other.state_) {
        if (state_ != nullptr) {
            state_->add_reference();
        }
    }
    state_ptr& operator=(state_ptr other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~state_ptr() {
        if (state_ != nullptr) {
            state_->release_reference();
        }
    }

    /// The reference becomes the caller's to release.
    State* detach() noexcept { return std::exchange(state_, nullptr); }

    State* get() const noexcept { return state_; }
    State* operator->() const noexcept { return state_; }
    State& operator*() const noexcept { return *state_; }
    explicit operator bool() const noexcept { return state_ != nullptr; }

private:
    State* state_ = nullptr;
};

/// Where a result of type T lies: in place, or behind a pointer if it is too large for a record. A reference is kept as a
/// pointer.
template <class T>
class result_slot {
    static_assert(!std::is_rvalue_reference_v<T>,
                  "coir: a result is a value or an lvalue reference, no rvalue reference");
    static constexpr bool k_in_place = sizeof(T) <= 256 && alignof(T) <= 16;

public:
    /// emplace() of these neither throws nor allocates.
    template <class... Args>
    static constexpr bool k_takes_safely = k_in_place&& std::is_nothrow_constructible_v<T, Args...>;
    /// Nor does adopt().
    static constexpr bool k_moves_safely = !k_in_place || std::is_nothrow_move_constructible_v<T>;

    template <class... Args>
    void emplace(Args&&... args) {
        if constexpr (k_in_place) {
            value_.emplace(std::forward<Args>(args)...);
        } else {
            value_ = std::make_unique<T>(std::forward<Args>(args)...);
        }
    }
    /// The value of another slot, which has one; this one has none.
    void adopt(result_slot&& made) noexcept {
        if constexpr (k_in_place) {
            value_.emplace(std::move(*made.value_));
        } else {
            value_ = std::move(made.value_);
        }
    }
    bool has_value() const noexcept { return static_cast<bool>(value_); }
    T take() {
        T result = std::move(*value_);
        value_.reset();
        return result;
    }
    T const& peek() const noexcept { return *value_; }

private:
    std::conditional_t<k_in_place, std::optional<T>, std::unique_ptr<T>> value_;
};

template <class T>
class result_slot<T&> {
public:
    template <class... Args>
    static constexpr bool k_takes_safely = true;
    static constexpr bool k_moves_safely = true;
    void emplace(T& target) noexcept { target_ = &target; }
    void adopt(result_slot&& made) noexcept { target_ = made.target_; }
    bool has_value() const noexcept { return target_ != nullptr; }
    T& take() noexcept { return *std::exchange(target_, nullptr); }
    T& peek() const noexcept { return *target_; }

private:
    T* target_ = nullptr;
};

template <>
class result_slot<void> {
public:
    template <class... Args>
    static constexpr bool k_takes_safely = true;
    static constexpr bool k_moves_safely = true;
    void emplace() noexcept { set_ = true; }
    void adopt(result_slot&& made) noexcept { set_ = made.set_; }
    bool has_value() const noexcept { return set_; }
    void take() noexcept { set_ = false; }
    void peek() const noexcept {}

private:
    bool set_ = false;
};

/// An exception_ptr to broken_promise, without memory too: for destructors.
std::exception_ptr broken_promise_error() noexcept;

/// Throws invalid_state for a handle that is empty or whose value has been taken.
[[noreturn]] void throw_no_state(char const* what);

}  // namespace coir::detail
