// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>

namespace coir {

/// The clock on which every deadline of coir is read. Its time points are std::chrono::steady_clock's.
/// Callable from anywhere; never suspends.
struct clock {
    using duration = std::chrono::steady_clock::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr bool is_steady = true;

    /// Now, on the clock of the calling task's runtime (outside one: the steady clock).
    static time_point now() noexcept;
};

namespace detail {

/// `now + d` without overflow: durations too long to add mean "never", negative ones "already".
template <class Rep, class Period>
clock::time_point deadline_after(clock::time_point now, std::chrono::duration<Rep, Period> const& d) noexcept {
    if (d <= std::chrono::duration<Rep, Period>::zero()) {
        return now;
    }
    using seconds_wide = std::chrono::duration<long double>;
    auto const room = clock::time_point::max() - now;
    if (seconds_wide(d) >= seconds_wide(room)) {
        return clock::time_point::max();
    }
    auto const whole = std::chrono::ceil<clock::duration>(d);
    return now + whole;
}

template <class Clock, class Duration>
clock::time_point to_deadline(std::chrono::time_point<Clock, Duration> const& t) noexcept {
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock> || std::is_same_v<Clock, clock>) {
        return clock::time_point(std::chrono::ceil<clock::duration>(t.time_since_epoch()));
    } else {
        return deadline_after(clock::now(), t - Clock::now());
    }
}

}  // namespace detail
}  // namespace coir
