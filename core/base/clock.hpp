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

/// `d` on coir's clock, rounded up: the longest duration there is if `d` is longer, the same for negative ones.
template <class Rep, class Period>
clock::duration saturated(std::chrono::duration<Rep, Period> const& d) noexcept {
    using seconds_wide = std::chrono::duration<long double>;
    if (seconds_wide(d) >= seconds_wide(clock::duration::max())) {
        return clock::duration::max();
    }
    if (seconds_wide(d) <= seconds_wide(clock::duration::min())) {
        return clock::duration::min();
    }
    return std::chrono::ceil<clock::duration>(d);
}

/// `now + d` without overflow: durations too long to add mean "never", negative ones "already".
template <class Rep, class Period>
clock::time_point deadline_after(clock::time_point now, std::chrono::duration<Rep, Period> const& d) noexcept {
    if (d <= std::chrono::duration<Rep, Period>::zero()) {
        return now;
    }
    clock::duration const whole = saturated(d);
    return whole >= clock::time_point::max() - now ? clock::time_point::max() : now + whole;
}

/// `t` on coir's clock: beyond its end "never", before its beginning "already".
template <class Clock, class Duration>
clock::time_point to_deadline(std::chrono::time_point<Clock, Duration> const& t) noexcept {
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock> || std::is_same_v<Clock, clock>) {
        return clock::time_point(saturated(t.time_since_epoch()));
    } else {
        using seconds_wide = std::chrono::duration<long double>;
        seconds_wide const now = Clock::now().time_since_epoch();
        return deadline_after(clock::now(), seconds_wide(t.time_since_epoch()) - now);
    }
}

}  // namespace detail
}  // namespace coir
