// SPDX-License-Identifier: BSL-1.0
//
// Deadlines beyond the end of the clock, and ticks that drift.

#include "tests/support/running.hpp"

#include <coir/core/base/clock.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/sleep.hpp>
#include <coir/core/task/timeout.hpp>
#include <coir/sync/semaphore.hpp>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

namespace coir {
namespace {

using namespace std::chrono;
using test::k_a_moment;
using test::on_one_and_four_workers;

// Until the task waits, which is how it should be, or has ended.
template <class T>
bool comes_to_wait(task<T> const& t) {
    test::yield_until([&] { return t.done() || test::is_waiting(t); });
    return !t.done();
}

TEST(clock_overflow, deadline_of_the_longest_duration_is_never) {
    auto const now = clock::now();
    EXPECT_EQ(detail::deadline_after(now, hours::max()), clock::time_point::max());
    EXPECT_EQ(detail::deadline_after(now, nanoseconds::max()), clock::time_point::max());
    EXPECT_EQ(detail::deadline_after(now, duration<double>(1e300)), clock::time_point::max());
    EXPECT_EQ(detail::deadline_after(now, hours::min()), now);
    EXPECT_GT(detail::deadline_after(now, hours(24 * 365 * 100)), now);
}

TEST(clock_overflow, wait_for_the_longest_duration_ends_by_its_event_only) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto f = p.get_future();
        auto t = spawn([&] { return f.wait_for(hours::max()); });
        auto u = spawn([&] { return with_timeout(hours::max(), [&] { return f.wait_for(minutes::max()); }); });
        EXPECT_TRUE(comes_to_wait(t));
        EXPECT_TRUE(comes_to_wait(u));
        p.set_value(1);
        EXPECT_EQ(t.get(), std::future_status::ready);
        EXPECT_EQ(u.get(), std::future_status::ready);
        semaphore one(1);
        EXPECT_TRUE(one.try_acquire_for(hours::max()));
    });
}

TEST(clock_overflow, longest_sleep_goes_on_until_it_is_cancelled) {
    on_one_and_four_workers([] {
        auto t = spawn([] { sleep(hours::max()); });
        auto u = spawn([] { sleep_until(clock::time_point::max()); });
        EXPECT_TRUE(comes_to_wait(t));
        EXPECT_TRUE(comes_to_wait(u));
        EXPECT_EQ(t.wait_for(k_a_moment), std::future_status::timeout);
        EXPECT_EQ(u.wait_for(k_a_moment), std::future_status::timeout);
        t.cancel();
        u.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_THROW(u.get(), cancelled);
    });
}

TEST(clock_overflow, thread_waits_the_longest_duration_for_its_event) {
    promise<int> p;
    auto f = p.get_future();
    std::thread setter([&] { p.set_value(2); });
    EXPECT_EQ(f.wait_for(hours::max()), std::future_status::ready);
    setter.join();
}

TEST(clock_overflow, sleep_until_the_distant_past_returns) {
    on_one_and_four_workers([] {
        sleep_until(clock::time_point::min());
        sleep_until(system_clock::time_point());
        sleep(hours::min());
    });
}

TEST(timer_drift, ticks_come_at_multiples_of_the_period_however_late_their_owner_is) {
    on_one_and_four_workers([] {
        constexpr auto k_period = microseconds(500);
        interval every(k_period);
        clock::time_point const first = every.tick();
        clock::time_point previous = first;
        for (int i = 0; i < 60; ++i) {
            if (i % 3 == 0) {
                sleep(microseconds(130) * (i % 20));  // up to five periods late
            }
            clock::time_point const due = every.tick();
            EXPECT_GT(due, previous);
            EXPECT_EQ((due - first) % k_period, clock::duration::zero());
            EXPECT_LE(due, clock::now());
            previous = due;
        }
    });
}

// The same at length, where no time passes but what is slept.
TEST(timer_drift, thousand_ticks_of_a_late_owner_lie_on_the_grid) {
    run(runtime_options{.seed = 7}, [] {
        constexpr auto k_period = milliseconds(10);
        std::minstd_rand random(7);
        interval every(k_period);
        clock::time_point const first = every.tick();
        clock::time_point previous = first;
        for (int i = 0; i < 1'000; ++i) {
            auto const late = microseconds(random() % 35'000);
            sleep(late);
            clock::time_point const before = clock::now();
            clock::time_point const due = every.tick();
            EXPECT_EQ((due - first) % k_period, clock::duration::zero());
            // The first tick that was not missed, and no later one.
            auto const periods = (before - first + k_period - nanoseconds(1)) / k_period;
            EXPECT_EQ(due, std::max(previous + k_period, first + periods * k_period));
            EXPECT_EQ(clock::now(), due);
            previous = due;
        }
    });
}

TEST(timer_drift, ticks_that_were_missed_are_skipped) {
    on_one_and_four_workers([] {
        constexpr auto k_period = milliseconds(1);
        interval every(k_period);
        clock::time_point const before = every.tick();
        sleep(20 * k_period);
        clock::time_point const after = every.tick();
        EXPECT_GE(after - before, 20 * k_period);  // one tick stands for all of them
    });
}

}  // namespace
}  // namespace coir
