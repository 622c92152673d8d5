// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <stdexcept>
#include <type_traits>

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

template <class T>
concept plain_number = std::is_arithmetic_v<T>;

/// Says in one line what is wrong with a call that has a number in place of a duration: in Python, so many seconds.
template <plain_number Number>
struct refuse_number {
    static_assert(!plain_number<Number>,
                  "coir: a duration has a unit: std::chrono::seconds(1), or 1s after `using namespace "
                  "std::chrono_literals`, not 1");
};

// Durations of integers; one of floating point may be "not a number", for which there is no time to wait.
template <class Rep>
inline constexpr bool always_a_number = !std::chrono::treat_as_floating_point_v<Rep>;

/// `d` on coir's clock, rounded up: the longest duration there is if `d` is longer, the same for negative ones. Each time that
/// users give in numbers of their own goes through here. Throws std::invalid_argument if it is not a number.
template <class Rep, class Period>
clock::duration saturated(std::chrono::duration<Rep, Period> const& d) noexcept(always_a_number<Rep>) {
    // Of floating point in their own precision, in which ceil() computes too: near the end it may round up.
    using ticks = std::chrono::duration<std::conditional_t<always_a_number<Rep>, long double, Rep>, clock::period>;
    ticks const count(d);
    if (count >= ticks(clock::duration::max())) {
        return clock::duration::max();
    }
    if (count > ticks(clock::duration::min())) {
        return std::chrono::ceil<clock::duration>(d);
    }
    if constexpr (!always_a_number<Rep>) {
        if (!(count <= ticks(clock::duration::min()))) {
            throw std::invalid_argument("coir: a duration or time is not a number (NaN)");
        }
    }
    return clock::duration::min();
}

/// `now + d` without overflow: durations too long to add mean "never", negative ones "already". Throws what saturated() does.
template <class Rep, class Period>
clock::time_point deadline_after(clock::time_point now,
                                 std::chrono::duration<Rep, Period> const& d) noexcept(always_a_number<Rep>) {
    if (d <= std::chrono::duration<Rep, Period>::zero()) {
        return now;
    }
    clock::duration const whole = saturated(d);
    return whole >= clock::time_point::max() - now ? clock::time_point::max() : now + whole;
}

/// `t` on coir's clock: beyond its end "never", before its beginning "already". Throws what saturated() does.
template <class Clock, class Duration>
clock::time_point
to_deadline(std::chrono::time_point<Clock, Duration> const& t) noexcept(always_a_number<typename Duration::rep>) {
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
