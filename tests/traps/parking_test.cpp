// SPDX-License-Identifier: BSL-1.0
//
// A worker looks for work, finds none and goes to sleep; what comes in between must wake it all the same. Workers sleep
// without a time-out, so a wake-up that is lost here stays lost.

#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"

#include <coir/core/task/future.hpp>

#include <atomic>
#include <optional>

namespace coir {
namespace {

// So long may a task take to run that could run at once. Only a hang takes as long.
constexpr auto k_hung = std::chrono::seconds(20);

class parking : public testing::TestWithParam<unsigned> {};

TEST_P(parking, every_task_that_is_spawned_from_outside_runs) {
    constexpr int k_spawns = 50'000;
    runtime rt(runtime_options{.workers = GetParam()});
    std::atomic<int> ran{0};
    for (int i = 0; i < k_spawns; ++i) {
        // The one before has run: the workers are about to sleep.
        auto t = rt.spawn([&] { ran.fetch_add(1, std::memory_order_relaxed); });
        for (int spin = 0; spin < 2000 && !t.done(); ++spin) {
            detail::spin_pause();
        }
        if (!t.done() && t.wait_for(k_hung) != std::future_status::ready) {
            FAIL() << "task " << i << " does not run";
        }
    }
    EXPECT_EQ(ran, k_spawns);
    EXPECT_GT(rt.stats().parks, 0u);
}

TEST_P(parking, bursts_from_outside_run_to_the_last_task) {
    constexpr int k_rounds = 300;
    constexpr int k_burst = 100;
    runtime rt(runtime_options{.workers = GetParam()});
    for (int round = 0; round < k_rounds; ++round) {
        std::atomic<int> ran{0};
        promise<void> all;
        auto f = all.get_future();
        for (int i = 0; i < k_burst; ++i) {
            rt.spawn([&] {
                if (ran.fetch_add(1) == k_burst - 1) {
                    all.set_value();
                }
            });
        }
        if (f.wait_for(k_hung) != std::future_status::ready) {
            FAIL() << ran << " of " << k_burst << " tasks ran in round " << round;
        }
    }
}

TEST_P(parking, every_wake_up_from_outside_arrives) {
    constexpr int k_rounds = 20'000;
    runtime rt(runtime_options{.workers = GetParam()});
    std::optional<promise<void>> ping(std::in_place);
    promise<void>* current = &*ping;
    std::atomic<int> answered{0};
    auto t = rt.spawn([&] {
        for (int i = 1; i <= k_rounds; ++i) {
            promise<void> p;
            auto f = p.get_future();
            current = &p;
            answered.store(i);
            f.get();
        }
    });
    for (int i = 1; i <= k_rounds; ++i) {
        for (auto const give_up = clock::now() + k_hung; answered.load() < i;) {
            if (clock::now() > give_up) {
                t.cancel();
                FAIL() << "wake-up " << i - 1 << " was lost";
            }
        }
        current->set_value();
    }
    t.get();
}

INSTANTIATE_TEST_SUITE_P(workers, parking, testing::Values(1u, 2u, 4u));

}  // namespace
}  // namespace coir
