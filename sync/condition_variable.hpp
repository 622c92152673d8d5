// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   condition_variable   std::condition_variable for tasks and threads, on std::unique_lock<coir::mutex>

#include <coir/core/base/clock.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/sync/mutex.hpp>

#include <condition_variable>  // std::cv_status
#include <mutex>               // std::unique_lock

namespace coir {

/// Waiters are woken in the order of their coming. Every wait is a suspension point that holds the lock again when it
/// returns and when it throws. A waiter that is cancelled or timed out takes no notification away from others.
class condition_variable {
public:
    condition_variable() = default;
    condition_variable(condition_variable const&) = delete;
    condition_variable& operator=(condition_variable const&) = delete;

    /// Wakes the first waiter, all waiters. The lock need not be held. Do not suspend.
    void notify_one() noexcept;
    void notify_all() noexcept;

    /// Releases `lock`, waits for a notification, takes `lock` again. Suspends. Throws `cancelled`.
    void wait(std::unique_lock<mutex>& lock) { wait_with_deadline(lock, detail::k_never); }

    /// Waits until `pred()`, which is called with the lock held.
    template <class Predicate>
    void wait(std::unique_lock<mutex>& lock, Predicate pred) {
        while (!pred()) {
            wait(lock);
        }
    }

    template <class Clock, class Duration>
    std::cv_status wait_until(std::unique_lock<mutex>& lock, std::chrono::time_point<Clock, Duration> const& t) {
        return wait_with_deadline(lock, detail::to_deadline(t)) ? std::cv_status::no_timeout : std::cv_status::timeout;
    }
    template <class Clock, class Duration, class Predicate>
    bool wait_until(std::unique_lock<mutex>& lock, std::chrono::time_point<Clock, Duration> const& t, Predicate pred) {
        clock::time_point const deadline = detail::to_deadline(t);
        while (!pred()) {
            if (!wait_with_deadline(lock, deadline)) {
                return pred();
            }
        }
        return true;
    }

    template <class Rep, class Period>
    std::cv_status wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> const& d) {
        return wait_until(lock, detail::deadline_after(clock::now(), d));
    }
    template <class Rep, class Period, class Predicate>
    bool wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> const& d, Predicate pred) {
        return wait_until(lock, detail::deadline_after(clock::now(), d), std::move(pred));
    }

private:
    /// False when the deadline has passed.
    bool wait_with_deadline(std::unique_lock<mutex>& lock, clock::time_point deadline);

    detail::spin_mutex lock_;
    detail::wait_list waiters_;  // under lock_
};

}  // namespace coir
