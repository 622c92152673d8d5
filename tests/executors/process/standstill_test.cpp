// SPDX-License-Identifier: BSL-1.0
//
// What a runtime makes of its tasks' waiting for a pool: neither does virtual time pass meanwhile, nor is it a deadlock.
#include "tests/executors/process/jobs.hpp"
#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::k_long_time;

runtime_options const k_virtual[] = {
    runtime_options{.workers = 1, .virtual_time = true},
    runtime_options{.workers = 4, .virtual_time = true},
    runtime_options{.seed = 7},
};

runtime_options const k_variants[] = {
    runtime_options{.workers = 1}, runtime_options{.workers = 4}, k_virtual[0], k_virtual[1], k_virtual[2],
};

int throws(int) {
    throw std::runtime_error("of a job");
}

int take_a_while(int milliseconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    return 9;
}

TEST(process_pool_virtual_time, stands_still_while_a_job_is_out) {
    for (auto const& options : k_virtual) {
        run(options, [] {
            process_pool_executor pool({.max_workers = 2});
            auto const start = clock::now();
            for (std::uint64_t i = 0; i < 10; ++i) {
                auto a = pool.submit<&test::mix>(i);
                auto b = pool.submit<&test::mix>(i + 1);
                auto c = pool.submit<&test::mix>(i + 2);
                EXPECT_EQ(wait_for(a, k_long_time), test::mix(i));
                EXPECT_EQ(wait_for(b, k_long_time), test::mix(i + 1));
                EXPECT_EQ(wait_for(c, k_long_time), test::mix(i + 2));
            }
            EXPECT_EQ(clock::now(), start);
        });
    }
}

TEST(process_pool_virtual_time, stands_still_while_a_pool_shuts_down) {
    for (auto const& options : k_virtual) {
        run(options, [] {
            auto const start = clock::now();
            auto other = spawn([] { sleep(k_long_time); });
            {
                process_pool_executor pool({.max_workers = 1});
                pool.submit<&test::mix>(1u).get();
            }
            EXPECT_EQ(clock::now(), start);
            other.get();
        });
    }
}

// The futures are kept: it is the outcome that lets time go on, not the end of who is told.
TEST(process_pool_virtual_time, goes_on_after_each_kind_of_outcome) {
    std::function<void(process_pool_executor&, std::vector<future<int>>&)> const outcomes[] = {
        [](auto& pool, auto& kept) {
            kept.push_back(pool.template submit<&test::own_number>());
            kept.back().wait();
        },
        [](auto& pool, auto& kept) {
            kept.push_back(pool.template submit<&throws>(1));
            EXPECT_THROW(kept.back().get(), std::runtime_error);
        },
        [](auto& pool, auto& kept) {
            kept.push_back(pool.template submit<&test::die_of_kill>(1));
            EXPECT_THROW(kept.back().get(), worker_died);
        },
        [](auto& pool, auto& kept) {
            auto running = pool.template submit<&test::stay>();
            test::yield_until([&] { return pool.stats().running == 1; });
            kept.push_back(pool.template submit<&test::own_number>());
            EXPECT_TRUE(kept.back().cancel());
            EXPECT_TRUE(running.cancel());
        },
        [](auto& pool, auto& kept) {
            auto running = pool.template submit<&test::stay>();
            test::yield_until([&] { return pool.stats().running == 1; });
            kept.push_back(pool.template submit<&test::own_number>());
            pool.shutdown({.wait = false, .cancel_pending = true});
            EXPECT_TRUE(kept.back().cancelled());
            EXPECT_TRUE(running.cancel());
        },
        [](auto& pool, auto&) {
            pool.shutdown();
            EXPECT_THROW(pool.template submit<&test::own_number>(), executor_shut_down);
        },
    };
    for (auto const& options : k_virtual) {
        for (auto const& outcome : outcomes) {
            run(options, [&outcome] {
                process_pool_executor pool({.max_workers = 1});
                std::vector<future<int>> kept;
                outcome(pool, kept);
                sleep(k_long_time);  // fails by the time limit
            });
        }
    }
}

TEST(process_pool_deadlock, is_none_while_a_job_runs) {
    for (auto const& options : k_variants) {
        // Longer than it takes to find a deadlock, which is looked for less often where time is real.
        int const a_while = options.virtual_time || options.seed ? 100 : 300;
        run(options, [a_while] {
            process_pool_executor pool({.max_workers = 1});
            EXPECT_EQ(pool.submit<&take_a_while>(a_while).get(), 9);
            // Now there is an idle worker, and its keeper sleeps.
            EXPECT_EQ(pool.submit<&take_a_while>(a_while).get(), 9);
            auto first = pool.submit<&take_a_while>(a_while);
            EXPECT_EQ(pool.submit<&test::mix>(1u).get(), test::mix(1));
            EXPECT_EQ(first.get(), 9);
        });
    }
}

TEST(process_pool_deadlock, is_found_beside_an_idle_pool) {
    for (auto const& options : k_variants) {
        process_pool_executor pool({.max_workers = 2});
        EXPECT_THROW(run(options,
                         [&pool] {
                             pool.submit<&test::mix>(1u).get();
                             event never;
                             never.wait();
                         }),
                     deadlock_error);
        // And the pool is of use as before.
        EXPECT_EQ(pool.submit<&test::mix>(2u).get(), test::mix(2));
    }
}

}  // namespace
}  // namespace coir
