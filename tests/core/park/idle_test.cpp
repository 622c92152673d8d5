// SPDX-License-Identifier: BSL-1.0
#include "core/park/idle.hpp"

#include "core/park/parker.hpp"

#include "tests/support/sleeping_workers.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using coir::detail::idle;
using coir::detail::thread_parker;

TEST(idle, chooses_nobody_while_all_are_awake) {
    idle idlers(4);
    EXPECT_FALSE(idlers.anybody_sleeps());
    EXPECT_EQ(idlers.choose_sleeper_to_wake(), idle::k_nobody);
    EXPECT_EQ(idlers.claim_any_sleeper(), idle::k_nobody);
    EXPECT_FALSE(idlers.claim(2));
}

TEST(idle, chooses_a_sleeper_once_and_counts_it_as_a_searcher) {
    idle idlers(4);
    EXPECT_TRUE(idlers.prepare_to_park(2, false));
    EXPECT_EQ(idlers.sleepers(), 1u);
    EXPECT_EQ(idlers.choose_sleeper_to_wake(), 2);
    EXPECT_EQ(idlers.sleepers(), 0u);
    EXPECT_EQ(idlers.searchers(), 1u);
    EXPECT_EQ(idlers.choose_sleeper_to_wake(), idle::k_nobody);
    EXPECT_TRUE(idlers.leave_park(2));
    EXPECT_TRUE(idlers.stop_searching());
    EXPECT_EQ(idlers.searchers(), 0u);
}

TEST(idle, wakes_nobody_else_while_somebody_searches) {
    idle idlers(4);
    EXPECT_TRUE(idlers.prepare_to_park(0, false));
    EXPECT_TRUE(idlers.prepare_to_park(1, false));
    EXPECT_EQ(idlers.choose_sleeper_to_wake(), 0);
    EXPECT_EQ(idlers.choose_sleeper_to_wake(), idle::k_nobody);
    EXPECT_TRUE(idlers.leave_park(0));
    EXPECT_TRUE(idlers.stop_searching());  // the last one: has to wake the next
    EXPECT_EQ(idlers.choose_sleeper_to_wake(), 1);
}

TEST(idle, lets_half_of_the_workers_search_but_at_least_one) {
    for (auto const& [workers, allowed] : {std::pair{1u, 1u}, {2u, 1u}, {3u, 1u}, {4u, 2u}, {5u, 2u}, {1024u, 512u}}) {
        idle idlers(workers);
        unsigned searching = 0;
        while (searching < workers && idlers.try_start_searching()) {
            ++searching;
        }
        EXPECT_EQ(searching, allowed) << workers << " workers";
        for (unsigned left = searching; left > 0; --left) {
            EXPECT_EQ(idlers.stop_searching(), left == 1);
        }
        EXPECT_TRUE(idlers.try_start_searching());
    }
}

TEST(idle, tells_a_parker_to_look_everywhere_unless_somebody_searches) {
    idle idlers(6);
    EXPECT_TRUE(idlers.try_start_searching());
    EXPECT_TRUE(idlers.try_start_searching());
    EXPECT_FALSE(idlers.prepare_to_park(0, false));
    EXPECT_FALSE(idlers.prepare_to_park(1, true));
    EXPECT_TRUE(idlers.prepare_to_park(2, true));
    EXPECT_TRUE(idlers.prepare_to_park(3, false));
    EXPECT_EQ(idlers.searchers(), 0u);
    EXPECT_EQ(idlers.sleepers(), 4u);
}

TEST(idle, worker_that_wakes_by_itself_sleeps_no_longer_and_does_not_search) {
    idle idlers(2);
    EXPECT_TRUE(idlers.prepare_to_park(1, false));
    EXPECT_FALSE(idlers.leave_park(1));
    EXPECT_EQ(idlers.sleepers(), 0u);
    EXPECT_EQ(idlers.searchers(), 0u);
    EXPECT_EQ(idlers.choose_sleeper_to_wake(), idle::k_nobody);
}

TEST(idle, worker_that_backs_out_searches_whoever_took_it_meanwhile) {
    for (int const meanwhile : {0, 1, 2}) {
        idle idlers(4);
        EXPECT_TRUE(idlers.prepare_to_park(1, false));
        if (meanwhile == 1) {
            EXPECT_EQ(idlers.choose_sleeper_to_wake(), 1);
        } else if (meanwhile == 2) {
            EXPECT_TRUE(idlers.claim(1));
        }
        idlers.cancel_park(1);
        EXPECT_EQ(idlers.searchers(), 1u);
        EXPECT_EQ(idlers.sleepers(), 0u);
        EXPECT_TRUE(idlers.stop_searching());
        EXPECT_EQ(idlers.searchers(), 0u);
    }
}

TEST(idle, claims_a_sleeper_without_making_it_search) {
    idle idlers(3);
    EXPECT_TRUE(idlers.prepare_to_park(1, false));
    EXPECT_TRUE(idlers.prepare_to_park(2, false));
    EXPECT_FALSE(idlers.claim(0));
    EXPECT_TRUE(idlers.claim(2));
    EXPECT_FALSE(idlers.claim(2));
    EXPECT_EQ(idlers.searchers(), 0u);
    EXPECT_EQ(idlers.sleepers(), 1u);
    EXPECT_FALSE(idlers.leave_park(2));
    EXPECT_EQ(idlers.choose_sleeper_to_wake(), 1);
}

TEST(idle, claims_each_of_1024_sleepers_once) {
    idle idlers(idle::k_max_workers);
    for (std::size_t worker = 0; worker < idle::k_max_workers; ++worker) {
        EXPECT_TRUE(idlers.prepare_to_park(worker, false));
    }
    EXPECT_EQ(idlers.sleepers(), idle::k_max_workers);
    std::set<int> claimed;
    for (int worker = idlers.claim_any_sleeper(); worker != idle::k_nobody; worker = idlers.claim_any_sleeper()) {
        claimed.insert(worker);
    }
    EXPECT_EQ(claimed.size(), idle::k_max_workers);
    EXPECT_EQ(*claimed.begin(), 0);
    EXPECT_EQ(*claimed.rbegin(), static_cast<int>(idle::k_max_workers) - 1);
    EXPECT_FALSE(idlers.anybody_sleeps());
}

TEST(idle, only_worker_is_chosen_while_it_sleeps_and_never_while_it_is_up) {
    idle idlers(1);
    EXPECT_EQ(idlers.choose_sleeper_to_wake(), idle::k_nobody);
    EXPECT_TRUE(idlers.prepare_to_park(0, false));
    EXPECT_EQ(idlers.choose_sleeper_to_wake(), 0);
    EXPECT_TRUE(idlers.leave_park(0));
    EXPECT_TRUE(idlers.stop_searching());
    EXPECT_EQ(idlers.choose_sleeper_to_wake(), idle::k_nobody);
}

TEST(idle, worker_that_pushes_chooses_its_sleeping_peer) {
    idle two(2);
    EXPECT_TRUE(two.prepare_to_park(1, false));
    EXPECT_EQ(two.choose_sleeper_to_wake(), 1);
}

// Whoever pushes waits until its job has run, so the workers fall asleep between jobs all the time.
class idle_stress : public ::testing::TestWithParam<std::size_t> {
protected:
    struct job {
        job* queue_next = nullptr;
        thread_parker* done = nullptr;
        bool spawns = false;
        int ran = 0;
    };

    void work(std::size_t self) {
        workers_.work(self, [this, self](job& one) {
            if (one.spawns) {
                // A child that only another worker can run: this one blocks until it has.
                thread_parker child_done;
                job child;
                child.done = &child_done;
                workers_.push(self, child);
                child_done.park();
                EXPECT_EQ(child.ran, 1);
            }
            ++one.ran;
            one.done->unpark();
        });
    }

    static constexpr int k_rounds = 10'000;

    void produce(bool spawning) {
        thread_parker done;
        for (int round = 0; round < k_rounds; ++round) {
            job one;
            one.done = &done;
            one.spawns = spawning && round % 4 == 0;
            workers_.push_from_outside(one, one, 1);
            done.park();
            ASSERT_EQ(one.ran, 1);
        }
    }

    void run_with_producers(int producers, bool spawning) {
        std::vector<std::thread> threads;
        for (std::size_t self = 0; self < workers_.count(); ++self) {
            threads.emplace_back([this, self] { work(self); });
        }
        std::vector<std::thread> others;
        for (int i = 0; i < producers; ++i) {
            others.emplace_back([this, spawning] { produce(spawning); });
        }
        for (auto& each : others) {
            each.join();
        }
        workers_.stop();
        for (auto& each : threads) {
            each.join();
        }
        EXPECT_EQ(workers_.asleep(), 0u);
    }

    coir::test::sleeping_workers<job> workers_{GetParam(), 1};
};

TEST_P(idle_stress, everything_pushed_from_outside_runs_though_all_may_sleep) {
    run_with_producers(2, false);
}

// Needs a second worker.
class idle_stress_of_several : public idle_stress {};

TEST_P(idle_stress_of_several, what_a_busy_worker_pushes_is_run_by_another_one) {
    run_with_producers(1, true);
}

INSTANTIATE_TEST_SUITE_P(workers, idle_stress, ::testing::Values(1u, 2u, 4u),
                         [](auto const& instance) { return std::to_string(instance.param); });

INSTANTIATE_TEST_SUITE_P(workers, idle_stress_of_several, ::testing::Values(2u, 4u),
                         [](auto const& instance) { return std::to_string(instance.param); });

}  // namespace
