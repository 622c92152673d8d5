// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   call_once(flag, f, args...)   runs f once, whoever comes first; the others wait for it
//   once_flag

#include <coir/core/base/lock.hpp>
#include <coir/core/task/waiter.hpp>

#include <atomic>
#include <functional>
#include <type_traits>
#include <utility>

namespace coir {

/// Remembers whether a call_once() has been made.
class once_flag {
public:
    constexpr once_flag() noexcept = default;
    once_flag(once_flag const&) = delete;
    once_flag& operator=(once_flag const&) = delete;

    // For call_once(). Whoever begins must end: with success or, to let the next one run, without.
    bool is_done() const noexcept { return state_.load(std::memory_order_acquire) == state::done; }
    /// True if the caller has to run it, false if it is done. Suspends while another one runs it.
    bool begin();
    void end(bool done) noexcept;

private:
    enum class state : unsigned char { idle, running, done };

    detail::spin_mutex lock_;
    std::atomic<state> state_{state::idle};  // written under lock_; done (release) pairs with is_done()
    detail::wait_list waiters_;              // under lock_; empty unless running
};

/// Calls `f(args...)`, unless that has been done for this flag. Who comes while another one's call runs waits for it
/// (suspends the task, blocks a thread); if that one throws, or is cancelled, the first who waits makes its own call.
/// Throws what `f` throws, and `cancelled` while it waits. `f` may suspend; it must not use the same flag.
template <class F, class... Args>
void call_once(once_flag& flag, F&& f, Args&&... args) {
    constexpr bool callable = std::is_invocable_v<F, Args...>;
    static_assert(callable, "coir::call_once: f must be callable with the arguments");
    if (flag.is_done() || !flag.begin()) {
        return;
    }
    struct attempt {
        once_flag& flag;
        bool done = false;
        ~attempt() { flag.end(done); }
    } now{flag};
    if constexpr (callable) {
        std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
    }
    now.done = true;
}

}  // namespace coir
