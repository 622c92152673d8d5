// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   mutex         std::mutex for tasks and threads; FIFO-fair
//   timed_mutex   the same with try_lock_for and try_lock_until

#include <coir/core/base/clock.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>

#include <atomic>
#include <cstdint>

namespace coir {

class condition_variable;

/// A mutex for tasks and plain threads alike; meets Lockable, so std::unique_lock, std::scoped_lock and std::lock_guard
/// take it. Not owned by a task: whoever holds it may pass it on. Waiters get it in the order of their coming: unlock()
/// hands it over to the first one. Not recursive. Destroying a locked one is undefined.
class mutex {
public:
    mutex() = default;
    mutex(mutex const&) = delete;
    mutex& operator=(mutex const&) = delete;

    /// Suspends the calling task (blocks a thread) until the mutex is its own. A suspension point: throws `cancelled`, and
    /// then does not hold the mutex.
    void lock() { lock_until(detail::k_never, detail::cancel_policy::deliver); }
    /// Never waits. False if it is held.
    bool try_lock() noexcept;
    /// By whoever may: hands the mutex to the first waiter. Does not suspend.
    void unlock() noexcept;

protected:
    friend class condition_variable;

    /// False when the deadline has passed.
    bool lock_until(clock::time_point deadline, detail::cancel_policy policy);

private:
    bool try_lock_for_task(detail::task_base const* self) noexcept;
    void taken_by(detail::task_base const* self) noexcept;
    bool take() noexcept;  // under lock_
    static detail::wait_kind const k_waits;

    detail::spin_mutex lock_;
    std::atomic<bool> held_{false};  // written under lock_
    // The id of the task that took it, 0 if a plain thread did: for reports. Whoever unlocks leaves it as it is.
    std::atomic<std::uint64_t> holder_{0};
    detail::wait_list waiters_;  // under lock_; empty unless held_
};

/// A mutex that can be waited for within limits.
class timed_mutex : public mutex {
public:
    /// As lock(), for at most `d`. False if it is still held then.
    template <class Rep, class Period>
    bool try_lock_for(std::chrono::duration<Rep, Period> const& d) {
        return lock_until(detail::deadline_after(clock::now(), d), detail::cancel_policy::deliver);
    }
    /// As lock(), until `t`. False if it is still held then.
    template <class Clock, class Duration>
    bool try_lock_until(std::chrono::time_point<Clock, Duration> const& t) {
        return lock_until(detail::to_deadline(t), detail::cancel_policy::deliver);
    }
};

}  // namespace coir
