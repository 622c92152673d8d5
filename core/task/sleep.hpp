// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   sleep(d), sleep_until(t)   waits for time to pass
//   yield()                    lets the other ready tasks have a turn
//   interval                   ticks at a fixed rate

#include <coir/core/base/clock.hpp>

#include <chrono>
#include <stdexcept>

namespace coir {

namespace detail {
void sleep_until_deadline(clock::time_point deadline);
}

/// Waits until `t`, on any clock. A time that has passed: as yield(). Suspends the calling task (blocks a thread).
/// Throws `cancelled`.
template <class Clock, class Duration>
void sleep_until(std::chrono::time_point<Clock, Duration> const& t) {
    detail::sleep_until_deadline(detail::to_deadline(t));
}

/// Waits for `d`, without an upper limit. Zero or less: as yield(). Suspends the calling task (blocks a thread). Throws
/// `cancelled`.
template <class Rep, class Period>
void sleep(std::chrono::duration<Rep, Period> const& d) {
    detail::sleep_until_deadline(detail::deadline_after(clock::now(), d));
}
// A number is no duration, and refused with a message.
void sleep(detail::plain_number auto number) {
    detail::refuse_number<decltype(number)>();
}

/// Lets every task that is ready now have a turn, and polls for I/O and timers from time to time. A suspension point:
/// throws a pending cancellation. On a plain thread: as std::this_thread::yield.
void yield();

/// Ticks at a fixed rate from its making on: the first comes when one period has passed. Ticks that the owner was too late
/// for are skipped, and the rhythm is kept: each comes at a multiple of the period. Belongs to one task or thread at a time.
class interval {
public:
    /// Throws std::invalid_argument for a period of zero or less.
    template <class Rep, class Period>
    explicit interval(std::chrono::duration<Rep, Period> const& period)
        : period_(detail::saturated(period)), next_(clock::now()) {
        if (period_ <= clock::duration::zero()) {
            throw std::invalid_argument("coir::interval: the period must be positive");
        }
    }

    /// Waits for the next tick and returns the time at which it was due. Suspends. Throws `cancelled`; that tick then
    /// is still to come.
    clock::time_point tick();

private:
    clock::duration period_;
    clock::time_point next_;
};

}  // namespace coir
