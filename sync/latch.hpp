// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   latch   counts down to zero once, and then lets everybody pass

#include <coir/core/base/clock.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>

#include <cstddef>

namespace coir {

/// std::latch for tasks and plain threads. Whoever has passed may destroy it.
class latch {
public:
    /// Throws std::invalid_argument if `expected` is negative.
    explicit latch(std::ptrdiff_t expected);
    latch(latch const&) = delete;
    latch& operator=(latch const&) = delete;

    /// Takes `n` off; at zero everybody who waits passes. Does not suspend. Throws std::invalid_argument if `n` is negative
    /// or more than what is left.
    void count_down(std::ptrdiff_t n = 1);
    /// Is it at zero? Never waits.
    bool try_wait() const noexcept;
    /// Waits until it is at zero. Suspends the calling task (blocks a thread). Throws `cancelled`.
    void wait() { wait_with_deadline(detail::k_never); }
    /// count_down(n) and wait(). Cancelled, it has counted all the same.
    void arrive_and_wait(std::ptrdiff_t n = 1) {
        count_down(n);
        wait();
    }
    /// As wait(), for at most `d`, or until `t`. False if it was not at zero by then.
    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> const& d) {
        return wait_with_deadline(detail::deadline_after(clock::now(), d));
    }
    template <class Clock, class Duration>
    bool wait_until(std::chrono::time_point<Clock, Duration> const& t) {
        return wait_with_deadline(detail::to_deadline(t));
    }

private:
    bool wait_with_deadline(clock::time_point deadline);

    detail::spin_mutex mutable lock_;
    std::ptrdiff_t left_;        // under lock_
    detail::wait_list waiters_;  // under lock_
};

}  // namespace coir
