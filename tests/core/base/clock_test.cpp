// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/clock.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <stdexcept>

namespace coir::detail {
namespace {

using namespace std::chrono_literals;

constexpr auto k_max = clock::duration::max();
constexpr auto k_min = clock::duration::min();

TEST(saturated, rounds_up_to_whole_ticks) {
    using tenths = std::chrono::duration<std::int64_t, std::ratio<1, 10'000'000'000>>;
    EXPECT_EQ(saturated(tenths(0)), 0ns);
    EXPECT_EQ(saturated(tenths(1)), 1ns);
    EXPECT_EQ(saturated(tenths(10)), 1ns);
    EXPECT_EQ(saturated(tenths(11)), 2ns);
    EXPECT_EQ(saturated(tenths(-11)), -1ns);
    EXPECT_EQ(saturated(std::chrono::duration<double>(0.25)), 250ms);
}

TEST(saturated, cuts_off_what_does_not_fit) {
    EXPECT_EQ(saturated(std::chrono::hours::max()), k_max);
    EXPECT_EQ(saturated(std::chrono::hours::min()), k_min);
    EXPECT_EQ(saturated(std::chrono::duration<double>(1e300)), k_max);
    EXPECT_EQ(saturated(std::chrono::duration<double>(-1e300)), k_min);
    EXPECT_EQ(saturated(k_max), k_max);
    // In seconds there is room for it, but in nanoseconds the next float is beyond the end.
    EXPECT_EQ(saturated(std::chrono::duration<float>(9223371776.0F)), k_max);
}

TEST(saturated, refuses_what_is_not_a_number) {
    std::chrono::duration<double> const nan(std::numeric_limits<double>::quiet_NaN());
    std::chrono::duration<float, std::milli> const small_nan(-std::numeric_limits<float>::quiet_NaN());
    EXPECT_THROW(saturated(nan), std::invalid_argument);
    EXPECT_THROW(saturated(small_nan), std::invalid_argument);
    EXPECT_THROW(deadline_after(clock::time_point(5s), nan), std::invalid_argument);
    EXPECT_THROW(deadline_after(clock::time_point(5s), small_nan), std::invalid_argument);
    using steady = std::chrono::time_point<std::chrono::steady_clock, std::chrono::duration<double>>;
    using system = std::chrono::time_point<std::chrono::system_clock, std::chrono::duration<double>>;
    EXPECT_THROW(to_deadline(steady(nan)), std::invalid_argument);
    EXPECT_THROW(to_deadline(system(nan)), std::invalid_argument);

    std::chrono::duration<double> const infinite(std::numeric_limits<double>::infinity());
    EXPECT_EQ(saturated(infinite), k_max);
    EXPECT_EQ(saturated(-infinite), k_min);
    EXPECT_EQ(to_deadline(system(infinite)), clock::time_point::max());
    static_assert(noexcept(saturated(k_max)) && !noexcept(saturated(nan)));
}

TEST(deadline_after, is_never_beyond_the_end_of_time_and_already_for_what_is_not_positive) {
    clock::time_point const now(5s);
    EXPECT_EQ(deadline_after(now, 2s), clock::time_point(7s));
    EXPECT_EQ(deadline_after(now, 0s), now);
    EXPECT_EQ(deadline_after(now, -1s), now);
    EXPECT_EQ(deadline_after(now, std::chrono::hours::max()), clock::time_point::max());
    EXPECT_EQ(deadline_after(now, k_max), clock::time_point::max());
    EXPECT_EQ(deadline_after(now, k_max - 5s), clock::time_point::max());
    EXPECT_EQ(deadline_after(now, k_max - 6s), clock::time_point::max() - 1s);
}

TEST(to_deadline, takes_points_of_any_clock) {
    EXPECT_EQ(to_deadline(clock::time_point(3s)), clock::time_point(3s));
    EXPECT_EQ(to_deadline(std::chrono::time_point<std::chrono::steady_clock, std::chrono::hours>::max()),
              clock::time_point::max());
    EXPECT_EQ(to_deadline(std::chrono::time_point<std::chrono::steady_clock, std::chrono::hours>::min()),
              clock::time_point::min());
    auto const before = clock::now();
    auto const deadline = to_deadline(std::chrono::system_clock::now() + 1h);
    EXPECT_GT(deadline, before + 59min);
    EXPECT_LT(deadline, clock::now() + 61min);
    auto const past = to_deadline(std::chrono::system_clock::time_point::min());
    EXPECT_LE(past, clock::now());
    EXPECT_EQ(to_deadline(std::chrono::time_point<std::chrono::system_clock, std::chrono::hours>::max()),
              clock::time_point::max());
}

}  // namespace
}  // namespace coir::detail
