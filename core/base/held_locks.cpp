// SPDX-License-Identifier: BSL-1.0
#include "core/base/held_locks.hpp"

#if COIR_CHECK_HELD_LOCKS

#include <coir/core/base/config.hpp>
#include <coir/core/base/tls.hpp>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <cxxabi.h>
#include <dlfcn.h>
#include <pthread.h>
#include <unwind.h>

#if COIR_ASAN || COIR_TSAN
#error "COIR_CHECK_HELD_LOCKS takes the place of functions that the sanitizers must intercept"
#endif

namespace coir::detail {
namespace {

// Pairs of places that were reported, as hashes. When it is full, everything else is reported each time.
constexpr std::size_t k_most_reported = 256;

constinit std::atomic<held_lock_handler> handler_of_reports{nullptr};
constinit std::atomic<std::uint64_t> reported[k_most_reported]{};

// --- where ------------------------------------------------------------------------------------------------------------

struct walk {
    call_stack& into;
    std::size_t skip;
};

// By the unwinder: right whether or not code keeps frame pointers, and it stops at a fiber's bottom, which has no tables.
COIR_NOINLINE void take_call_stack(call_stack& into, std::size_t skip) noexcept {
    into.size = 0;
    walk state{into, skip + 1};
    _Unwind_Backtrace(
        [](_Unwind_Context* frame, void* p) {
            auto& w = *static_cast<walk*>(p);
            if (w.skip > 0) {
                --w.skip;
                return _URC_NO_REASON;
            }
            auto const address = _Unwind_GetIP(frame);
            if (address == 0 || w.into.size == call_stack::k_most) {
                return _URC_END_OF_STACK;
            }
            w.into.frames[w.into.size++] = reinterpret_cast<void*>(address);
            return _URC_NO_REASON;
        },
        &state);
}

void print(call_stack const& stack) {
    for (std::size_t i = 0; i < stack.size; ++i) {
        // A return address may already belong to the next line, or function.
        auto* const address = static_cast<char*>(stack.frames[i]) - 1;
        Dl_info info{};
        if (::dladdr(address, &info) == 0 || info.dli_fname == nullptr) {
            std::fprintf(stderr, "    %p\n", static_cast<void*>(address));
            continue;
        }
        int status = -1;
        char* const readable =
            info.dli_sname != nullptr ? abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status) : nullptr;
        char const* const name = readable != nullptr ? readable : info.dli_sname != nullptr ? info.dli_sname : "";
        std::fprintf(stderr, "    %s 0x%zx %s\n", info.dli_fname,
                     static_cast<std::size_t>(address - static_cast<char*>(info.dli_fbase)), name);
        std::free(readable);
    }
}

std::uint64_t hash_of(call_stack const& stack, std::uint64_t hash) noexcept {
    for (std::size_t i = 0; i < stack.size; ++i) {
        hash = (hash ^ reinterpret_cast<std::uintptr_t>(stack.frames[i])) * 0x100000001b3u;  // FNV-1a, by words
    }
    return hash;
}

bool is_news(held_lock_report const& report) noexcept {
    std::uint64_t const hash = hash_of(report.suspended_at, hash_of(report.locked_at, 0xcbf29ce484222325u)) | 1;
    for (auto& slot : reported) {
        std::uint64_t present = 0;
        if (slot.compare_exchange_strong(present, hash, std::memory_order_relaxed)) {
            return true;
        }
        if (present == hash) {
            return false;
        }
    }
    return true;
}

void print_report(held_lock_report const& report) {
    if (!is_news(report)) {
        return;
    }
    if (report.holder == nullptr) {
        std::fprintf(stderr, "coir: task '%s' suspends while it holds the lock %p: ", report.task.c_str(), report.lock);
    } else {
        std::fprintf(stderr,
                     "coir: task '%s', which runs in the place of '%s', suspends while '%s' holds the lock %p: ",
                     report.task.c_str(), report.holder->c_str(), report.holder->c_str(), report.lock);
    }
    std::fputs("others that want it block their threads until the task goes on, which may be on another thread. Use "
               "coir::mutex, or unlock before.\n  locked at (resolve by addr2line -Cfipe <file> <address>):\n",
               stderr);
    print(report.locked_at);
    std::fputs("  suspended at:\n", stderr);
    print(report.suspended_at);
}

// --- what ---------------------------------------------------------------------------------------------------------------

// On a thread that runs tasks only: others do not suspend.
COIR_NOINLINE void note_lock(void const* lock) noexcept {
    if (this_worker() == nullptr && this_blocking_section() == nullptr) {
        return;
    }
    held_locks& mine = this_thread_held_locks();
    if (mine.busy || mine.size == held_locks::k_most) {
        return;
    }
    mine.busy = true;
    held_lock& entry = mine.entries[mine.size];
    entry.lock = lock;
    entry.holder = {};
    take_call_stack(entry.taken_at, 2);  // not this one, nor the function that it was called by
    ++mine.size;
    mine.busy = false;
}

// The last one: a recursive mutex has several.
void note_unlock(void const* lock) noexcept {
    held_locks& mine = this_thread_held_locks();
    if (mine.busy) {
        return;
    }
    for (std::size_t i = mine.size; i-- > 0;) {
        if (mine.entries[i].lock == lock) {
            for (--mine.size; i < mine.size; ++i) {
                mine.entries[i] = mine.entries[i + 1];
            }
            return;
        }
    }
}

// EOWNERDEAD: locked, too.
COIR_ALWAYS_INLINE int noted(void const* lock, int result) noexcept {
    if (result == 0 || result == EOWNERDEAD) {
        int const error = errno;
        note_lock(lock);
        errno = error;
    }
    return result;
}

// The C library's own, looked up at the first use. (Constant initialisation: locks are taken before constructors run.)
template <class Function>
class original {
public:
    explicit constexpr original(char const* name) noexcept : name_(name) {}

    template <class... Args>
    int operator()(Args... args) noexcept {
        Function* function = function_.load(std::memory_order_relaxed);
        if (function == nullptr) {
            function = reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name_));
            if (function == nullptr) {
                std::abort();
            }
            function_.store(function, std::memory_order_relaxed);
        }
        return function(args...);
    }

private:
    char const* name_;
    std::atomic<Function*> function_{nullptr};
};

using mutex_function = int(pthread_mutex_t*);
using timed_function = int(pthread_mutex_t*, timespec const*);
using clock_function = int(pthread_mutex_t*, clockid_t, timespec const*);
using rwlock_function = int(pthread_rwlock_t*);

constinit original<mutex_function> mutex_lock("pthread_mutex_lock");
constinit original<mutex_function> mutex_trylock("pthread_mutex_trylock");
constinit original<timed_function> mutex_timedlock("pthread_mutex_timedlock");
constinit original<clock_function> mutex_clocklock("pthread_mutex_clocklock");
constinit original<mutex_function> mutex_unlock("pthread_mutex_unlock");
constinit original<rwlock_function> rwlock_rdlock("pthread_rwlock_rdlock");
constinit original<rwlock_function> rwlock_wrlock("pthread_rwlock_wrlock");
constinit original<rwlock_function> rwlock_tryrdlock("pthread_rwlock_tryrdlock");
constinit original<rwlock_function> rwlock_trywrlock("pthread_rwlock_trywrlock");
constinit original<rwlock_function> rwlock_unlock("pthread_rwlock_unlock");

}  // namespace

held_lock_handler on_held_lock(held_lock_handler handler) noexcept {
    return handler_of_reports.exchange(handler);
}

bool holds_locks() noexcept {
    return this_thread_held_locks().size != 0;
}

COIR_NOINLINE void report_held_locks(std::string const& task) {
    held_locks& mine = this_thread_held_locks();
    mine.busy = true;  // whatever the report locks is not the task's
    call_stack here;
    take_call_stack(here, 1);
    held_lock_handler const handler = handler_of_reports.load();
    for (std::size_t i = 0; i < mine.size; ++i) {
        held_lock const& entry = mine.entries[i];
        std::string const holder = entry.holder.task != nullptr ? entry.holder.name(entry.holder.task) : std::string();
        held_lock_report const report{task, entry.holder.task != nullptr ? &holder : nullptr, entry.lock,
                                      entry.taken_at, here};
        handler != nullptr ? handler(report) : print_report(report);
    }
    mine.size = 0;
    mine.busy = false;
}

void forget_held_locks() noexcept {
    this_thread_held_locks().size = 0;
}

void leave_locks_with(lock_holder holder) noexcept {
    held_locks& mine = this_thread_held_locks();
    for (std::size_t i = 0; i < mine.size; ++i) {
        if (mine.entries[i].holder.task == nullptr) {
            mine.entries[i].holder = holder;
        }
    }
}

void take_locks_back(void const* task) noexcept {
    held_locks& mine = this_thread_held_locks();
    for (std::size_t i = 0; i < mine.size; ++i) {
        if (mine.entries[i].holder.task == task) {
            mine.entries[i].holder = {};
        }
    }
}

}  // namespace coir::detail

// --- in the place of the C library's ------------------------------------------------------------------------------------

extern "C" {

COIR_NOINLINE int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
    return coir::detail::noted(mutex, coir::detail::mutex_lock(mutex));
}

COIR_NOINLINE int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
    return coir::detail::noted(mutex, coir::detail::mutex_trylock(mutex));
}

COIR_NOINLINE int pthread_mutex_timedlock(pthread_mutex_t* mutex, timespec const* until) noexcept {
    return coir::detail::noted(mutex, coir::detail::mutex_timedlock(mutex, until));
}

COIR_NOINLINE int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock, timespec const* until) noexcept {
    return coir::detail::noted(mutex, coir::detail::mutex_clocklock(mutex, clock, until));
}

COIR_NOINLINE int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
    coir::detail::note_unlock(mutex);
    return coir::detail::mutex_unlock(mutex);
}

COIR_NOINLINE int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
    return coir::detail::noted(lock, coir::detail::rwlock_rdlock(lock));
}

COIR_NOINLINE int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
    return coir::detail::noted(lock, coir::detail::rwlock_wrlock(lock));
}

COIR_NOINLINE int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) noexcept {
    return coir::detail::noted(lock, coir::detail::rwlock_tryrdlock(lock));
}

COIR_NOINLINE int pthread_rwlock_trywrlock(pthread_rwlock_t* lock) noexcept {
    return coir::detail::noted(lock, coir::detail::rwlock_trywrlock(lock));
}

COIR_NOINLINE int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept {
    coir::detail::note_unlock(lock);
    return coir::detail::rwlock_unlock(lock);
}

}  // extern "C"

#endif
