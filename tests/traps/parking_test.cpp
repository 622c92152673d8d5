// SPDX-License-Identifier: BSL-1.0
//
// A worker looks for work, finds none and goes to sleep; what comes in between must wake it all the same. Workers sleep
// without a time-out, so a wake-up that is lost here stays lost. And the other way round: who has found work for one wakes
// no others.

#include "tests/support/all_asleep.hpp"
#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"

#include <coir/core/base/config.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/task_group.hpp>
#include <coir/sync/semaphore.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace coir {
namespace {

using test::wait_unless_all_sleep;

// Up to a microsecond or two, another time in each round, so that what comes from outside meets each step on the way to
// sleep: whichever side of the two is the faster one on this machine, it is the one that waits in some of the rounds.
void let_pass(int round) {
    for (int i = 0; i < round % 4096; ++i) {
        asm volatile("");
    }
}

class parking : public testing::TestWithParam<unsigned> {
protected:
    // Where others keep the processors busy each round takes as long as they like: then fewer will have to do.
    bool is_time_up() const { return std::chrono::steady_clock::now() - begin_ > std::chrono::seconds(20); }

private:
    std::chrono::steady_clock::time_point const begin_ = std::chrono::steady_clock::now();
};

TEST_P(parking, every_task_that_is_spawned_from_outside_runs) {
    constexpr int k_spawns = COIR_TSAN ? 5'000 : 50'000;
    std::atomic<int> ran{0};
    runtime rt(runtime_options{.workers = GetParam()});
    int spawned = 0;
    for (; spawned < k_spawns && !is_time_up(); ++spawned) {
        // The one before has run, or is about to end: the workers go to sleep.
        bool const here = spawned % 2 == 0;
        if (here) {
            let_pass(spawned);
        }
        rt.spawn([&ran, here, spawned] {
              ran.fetch_add(1);
              if (!here) {
                  let_pass(spawned);
              }
          }).detach();
        wait_unless_all_sleep([&] { return ran == spawned + 1; }, "task", spawned);
    }
    EXPECT_EQ(ran, spawned);
    test::yield_until([&] { return rt.stats().parks != 0; });  // sooner or later they do sleep
}

TEST_P(parking, bursts_from_outside_run_to_the_last_task) {
    constexpr int k_rounds = 300;
    constexpr int k_burst = 100;
    runtime rt(runtime_options{.workers = GetParam()});
    for (int round = 0; round < k_rounds; ++round) {
        std::atomic<int> ran{0};
        for (int i = 0; i < k_burst; ++i) {
            rt.spawn([&] { ran.fetch_add(1); });
        }
        wait_unless_all_sleep([&] { return ran == k_burst; }, "a task of burst", round);
    }
}

TEST_P(parking, every_wake_up_from_outside_arrives) {
    constexpr int k_rounds = COIR_TSAN ? 2'000 : 20'000;
    runtime rt(runtime_options{.workers = GetParam()});
    promise<void>* current = nullptr;
    std::atomic<int> asked{0};
    std::atomic<bool> over{false};
    auto t = rt.spawn([&] {
        for (int i = 1; !over; ++i) {
            promise<void> p;
            auto f = p.get_future();
            current = &p;
            asked.store(i);
            if (i % 2 != 0) {
                let_pass(i);
            }
            f.get();
        }
    });
    for (int i = 1; !over; ++i) {
        wait_unless_all_sleep([&] { return asked.load() == i; }, "wake-up", i - 1);
        if (i % 2 == 0) {
            let_pass(i);
        }
        over = i == k_rounds || is_time_up();
        current->set_value();
    }
    wait_unless_all_sleep([&] { return t.done(); }, "wake-up", asked);
    t.get();
}

INSTANTIATE_TEST_SUITE_P(workers, parking, testing::Values(1u, 2u, 4u));

// A pair that wakes each other, each time with something in the queue for an instant: a worker that is woken for that comes
// too late, and a herd of them would come at every turn. The least of some rounds, as a worker that loses its processor
// just then leaves something to do indeed.
TEST(wake_ups, of_a_pair_of_tasks_hardly_ever_wake_a_worker) {
    constexpr std::uint64_t k_trips = COIR_TSAN || COIR_ASAN ? 2'000 : 10'000;
    constexpr std::uint64_t k_wakes_for_one =
        COIR_TSAN || COIR_ASAN ? 10 : 100;  // there the turns are ten times as long
    run(runtime_options{.workers = 8}, [&] {
        std::uint64_t least = 2 * k_trips;
        std::uint64_t most_turns = 0;
        for (int round = 0; round < 5; ++round) {
            runtime_stats const before = runtime::current().stats();
            semaphore there(0);
            semaphore back(0);
            auto one = spawn([&] {
                for (std::uint64_t i = 0; i < k_trips; ++i) {
                    there.release();
                    back.acquire();
                }
            });
            auto other = spawn([&] {
                for (std::uint64_t i = 0; i < k_trips; ++i) {
                    there.acquire();
                    back.release();
                }
            });
            one.get();
            other.get();
            runtime_stats const after = runtime::current().stats();
            least = std::min(least, after.wakeups - before.wakeups);
            most_turns = std::max(most_turns, after.tasks_resumed - before.tasks_resumed);
        }
        EXPECT_GT(most_turns, k_trips);  // they have waited for each other
        EXPECT_LE(least, 2 * k_trips / k_wakes_for_one);
    });
}

// A burst of tasks on one worker, while seven sleep. Whoever is woken for the first of them looks for all, and wakes the next
// worker when it has found something: it is they who wake each other, and not each push.
TEST(wake_ups, of_a_burst_are_not_one_for_each_task) {
    constexpr std::uint64_t k_burst = 4'000;
    run(runtime_options{.workers = 8}, [&] {
        std::uint64_t least = k_burst;
        std::atomic<std::uint64_t> ran{0};
        for (int round = 0; round < 5; ++round) {
            runtime_stats const before = runtime::current().stats();
            {
                task_group group;
                for (std::uint64_t i = 0; i < k_burst; ++i) {
                    group.spawn([&ran] { ran.fetch_add(1, std::memory_order_relaxed); });
                }
                group.wait();
            }
            least = std::min(least, runtime::current().stats().wakeups - before.wakeups);
        }
        EXPECT_EQ(ran, 5 * k_burst);
        EXPECT_LE(least, k_burst / 4);
    });
}

}  // namespace
}  // namespace coir
