// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/config.hpp>
#include <coir/core/task/sleep.hpp>

#include "core/time/timers.hpp"

#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"

#include <algorithm>
#include <random>
#include <stdexcept>
#include <vector>

namespace coir {
namespace {

using namespace std::chrono;
using test::on_one_and_four_workers;

TEST(sleep, lasts_at_least_as_long_as_asked_for) {
    on_one_and_four_workers([] {
        auto const before = clock::now();
        sleep(milliseconds(2));
        EXPECT_GE(clock::now() - before, milliseconds(2));
        auto const until = clock::now() + milliseconds(2);
        sleep_until(until);
        EXPECT_GE(clock::now(), until);
    });
}

TEST(sleep, on_a_plain_thread_blocks_it) {
    auto const before = clock::now();
    sleep(milliseconds(2));
    EXPECT_GE(clock::now() - before, milliseconds(2));
    yield();
}

TEST(sleep, of_nothing_lets_the_others_have_a_turn) {
    run(runtime_options{.workers = 1}, [] {
        int turns = 0;
        auto t = spawn([&] { ++turns; });
        sleep(seconds(0));
        EXPECT_EQ(turns, 1);
        sleep(seconds(-1));
        t.wait();
    });
}

TEST(sleep, sleepers_wake_in_the_order_of_their_deadlines) {
    run(runtime_options{.workers = 1}, [] {
        // Where the machine is busy they may come too late, or the monitor may wake some in the place of a worker that has no
        // core: timers_fired counts the worker's own.
        bool in_one_hand = false;
        for (auto lead = milliseconds(5); !in_one_hand; lead *= 2) {
            auto const fired_before = runtime::current().stats().timers_fired;
            std::vector<int> order;
            std::vector<task<void>> tasks;
            auto const start = clock::now() + lead;
            for (int i = 0; i < 20; ++i) {
                tasks.push_back(spawn([&, i] {
                    sleep_until(start + microseconds(100) * (19 - i));
                    order.push_back(i);
                }));
            }
            yield();
            bool const all_asleep_before_the_first_wakes = clock::now() < start;
            for (auto& t : tasks) {
                t.get();
            }
            in_one_hand = all_asleep_before_the_first_wakes &&
                          runtime::current().stats().timers_fired - fired_before == tasks.size();
            if (in_one_hand) {
                EXPECT_TRUE(std::ranges::is_sorted(order, std::ranges::greater()));
            }
        }
    });
}

TEST(sleep, ten_thousand_sleepers_all_wake_and_not_too_early) {
    on_one_and_four_workers([] {
        constexpr int k_sleepers = COIR_TSAN ? 1'000 : 10'000;  // each is a thread to TSan, which stops at 8,128
        std::atomic<int> awake{0};
        std::vector<task<void>> tasks;
        for (int i = 0; i < k_sleepers; ++i) {
            tasks.push_back(spawn([&, i] {
                auto const until = clock::now() + microseconds(i % 3000);
                sleep_until(until);
                EXPECT_GE(clock::now(), until);
                awake.fetch_add(1);
            }));
        }
        for (auto& t : tasks) {
            t.wait();
        }
        EXPECT_EQ(awake, k_sleepers);
    });
}

TEST(sleep, many_cancelled_sleepers_leave_no_timer) {
    on_one_and_four_workers([] {
        std::vector<task<void>> tasks;
        for (int i = 0; i < 1'000; ++i) {
            tasks.push_back(spawn(test::sleep_forever));
        }
        yield();
        for (auto& t : tasks) {
            t.cancel();
        }
        for (auto& t : tasks) {
            t.wait();
            EXPECT_TRUE(t.cancelled());
        }
    });
}

TEST(interval, refuses_a_period_of_nothing) {
    EXPECT_THROW(interval(seconds(0)), std::invalid_argument);
    EXPECT_THROW(interval(seconds(-1)), std::invalid_argument);
}

TEST(interval, of_the_longest_period_never_ticks) {
    using longest = std::chrono::duration<long long, std::ratio<3600>>;
    on_one_and_four_workers([] {
        auto t = spawn([] {
            interval every(longest::max());
            every.tick();
            ADD_FAILURE() << "ticks";
        });
        test::yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
    });
}

TEST(sleep, time_points_beyond_the_ends_of_the_clock_mean_never_and_already) {
    using far = std::chrono::duration<long long, std::ratio<3600>>;
    using steady_hours = std::chrono::time_point<std::chrono::steady_clock, far>;
    using system_hours = std::chrono::time_point<std::chrono::system_clock, far>;
    on_one_and_four_workers([] {
        sleep_until(steady_hours::min());
        sleep_until(system_hours::min());
        sleep_until(std::chrono::system_clock::time_point::min());
        sleep(far::min());
        std::vector<task<void>> sleepers;
        sleepers.push_back(spawn([] { sleep_until(steady_hours::max()); }));
        sleepers.push_back(spawn([] { sleep_until(system_hours::max()); }));
        sleepers.push_back(spawn([] { sleep_until(std::chrono::system_clock::time_point::max()); }));
        sleepers.push_back(spawn([] { sleep(far::max()); }));
        for (auto& t : sleepers) {
            test::yield_until_waiting(t);
            t.cancel();
            EXPECT_THROW(t.get(), cancelled);
        }
    });
}

TEST(interval, ticks_and_a_cancelled_tick_is_still_to_come) {
    on_one_and_four_workers([] {
        interval every(microseconds(300));
        auto const first = every.tick();
        auto const second = every.tick();
        EXPECT_GE(second - first, microseconds(300));
        auto t = spawn([] {
            interval hourly(hours(1));
            hourly.tick();
        });
        test::yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
    });
}

}  // namespace
}  // namespace coir

namespace coir::detail {
namespace {

struct numbered_timer : timer_node {
    std::vector<int>* fired = nullptr;
    int number = 0;
};

void prepare(numbered_timer& t, std::vector<int>& fired, int number) {
    t.fired = &fired;
    t.number = number;
    t.callback = [](timer_node& node) noexcept {
        auto& self = static_cast<numbered_timer&>(node);
        self.fired->push_back(self.number);
    };
}

clock::time_point at(int tick) {
    return clock::time_point(clock::duration(1000 + tick));
}

TEST(timers, fire_in_the_order_of_deadlines_and_of_coming) {
    timers heap;
    std::vector<int> fired;
    std::vector<numbered_timer> nodes(300);
    std::mt19937 random(1);
    std::vector<std::pair<int, int>> expected;
    for (int i = 0; i < 300; ++i) {
        int const tick = static_cast<int>(random() % 50);
        prepare(nodes[static_cast<std::size_t>(i)], fired, i);
        heap.add(nodes[static_cast<std::size_t>(i)], at(tick));
        expected.emplace_back(tick, i);
    }
    EXPECT_EQ(heap.fire_due(at(-1), 1000), 0u);
    std::size_t sum = 0;
    for (int tick = 0; tick < 50; ++tick) {
        sum += heap.fire_due(at(tick), 1000);
    }
    EXPECT_EQ(sum, 300u);
    std::ranges::sort(expected);
    ASSERT_EQ(fired.size(), expected.size());
    for (std::size_t i = 0; i < fired.size(); ++i) {
        EXPECT_EQ(fired[i], expected[i].second);
    }
    EXPECT_EQ(heap.next_deadline(), clock::time_point::max());
}

TEST(timers, removed_ones_do_not_fire) {
    timers heap;
    std::vector<int> fired;
    std::vector<numbered_timer> nodes(100);
    for (int i = 0; i < 100; ++i) {
        prepare(nodes[static_cast<std::size_t>(i)], fired, i);
        heap.add(nodes[static_cast<std::size_t>(i)], at(i * 7 % 100));
    }
    for (std::size_t i = 0; i < 100; i += 3) {
        EXPECT_TRUE(timers::remove(nodes[i]));
        EXPECT_FALSE(timers::remove(nodes[i]));
    }
    EXPECT_EQ(heap.size(), 66u);
    EXPECT_EQ(heap.fire_due(at(1000), 1000), 66u);
    EXPECT_EQ(fired.size(), 66u);
    for (int const number : fired) {
        EXPECT_NE(number % 3, 0);
    }
    EXPECT_FALSE(timers::remove(nodes[1]));
}

TEST(timers, fire_no_more_than_asked_for) {
    timers heap;
    std::vector<int> fired;
    std::vector<numbered_timer> nodes(40);
    for (int i = 0; i < 40; ++i) {
        prepare(nodes[static_cast<std::size_t>(i)], fired, i);
        heap.add(nodes[static_cast<std::size_t>(i)], at(0));
    }
    EXPECT_EQ(heap.fire_due(at(0), 10), 10u);
    EXPECT_EQ(fired.size(), 10u);
    EXPECT_EQ(heap.next_deadline(), at(0));
    EXPECT_EQ(heap.fire_due(at(0), 100), 30u);
}

}  // namespace
}  // namespace coir::detail
