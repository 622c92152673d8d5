// SPDX-License-Identifier: BSL-1.0
#include "tests/executors/process/jobs.hpp"
#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace coir {
namespace {

using test::fail_the_test;
using test::is_alive;
using test::on_one_and_four_workers;

TEST(process_pool_cancel, a_queued_job_never_runs) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        auto first = pool.submit<&test::stay>();
        // One worker, five jobs: none but the first has left the queue.
        std::vector<future<int>> queued;
        queued.reserve(4);
        for (int i = 0; i < 4; ++i) {
            queued.push_back(pool.submit<&fail_the_test>());
        }
        auto last = pool.submit<&test::mix>(9u);
        for (auto& each : queued) {
            EXPECT_TRUE(each.cancel());
            EXPECT_THROW(each.get(), cancelled);
        }
        EXPECT_EQ(pool.stats().cancelled, 4u);
        first.cancel();
        EXPECT_EQ(last.get(), test::mix(9));
    });
}

TEST(process_pool_cancel, a_running_job_is_killed_with_its_worker_and_the_next_has_another) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        for (int i = 0; i < 5; ++i) {
            int const number = pool.submit<&test::own_number>().get();
            auto running = pool.submit<&test::stay>();
            auto next = pool.submit<&test::own_number>();
            EXPECT_TRUE(running.cancel("enough"));
            EXPECT_TRUE(running.done());
            EXPECT_THROW(running.get(), cancelled);
            EXPECT_NE(next.get(), number);
            while (is_alive(number)) {
                std::this_thread::yield();
            }
        }
    });
}

TEST(process_pool_cancel, a_time_limit_of_the_caller_kills_the_job) {
    run([] {
        process_pool_executor pool({.max_workers = 1});
        int const number = pool.submit<&test::own_number>().get();
        // With longer and longer limits, as in the first ones the job may be too late to begin.
        for (auto limit = test::k_a_moment; pool.submit<&test::own_number>().get() == number; limit *= 2) {
            EXPECT_THROW(with_timeout(limit, [&] { pool.submit<&test::stay>().get(); }), timeout_error);
        }
        while (is_alive(number)) {
            yield();
        }
        EXPECT_THROW(wait_for(pool.submit<&test::stay>(), test::k_a_moment), timeout_error);
        EXPECT_EQ(pool.submit<&test::mix>(2u).get(), test::mix(2));
    });
}

TEST(process_pool_cancel, of_the_awaiting_task_reaches_the_job) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        auto caller = spawn([&] { pool.submit<&test::stay>().get(); });
        test::yield_until([&] { return pool.stats().running == 1; });
        caller.cancel();
        EXPECT_THROW(caller.get(), cancelled);
        EXPECT_EQ(pool.submit<&test::mix>(2u).get(), test::mix(2));
    });
}

TEST(process_pool_cancel, at_the_moment_of_the_answer_has_one_outcome_and_harms_nobody) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 2});
        int values = 0;
        int cancellations = 0;
        for (std::uint64_t i = 0; i < 200; ++i) {
            auto first = pool.submit<&test::mix>(i);
            auto second = pool.submit<&test::mix>(i + 1);
            for (std::uint64_t turn = 0; turn < i % 40; ++turn) {
                yield();
            }
            bool const was_cancelled = first.cancel();
            EXPECT_EQ(second.get(), test::mix(i + 1));
            EXPECT_EQ(first.cancelled(), was_cancelled);
            if (was_cancelled) {
                ++cancellations;
                EXPECT_THROW(first.get(), cancelled);
            } else {
                ++values;
                EXPECT_EQ(first.get(), test::mix(i));
            }
        }
        EXPECT_EQ(values + cancellations, 200);
        // Each job was counted once: by the canceller, or, if it had answered before that one got to it, as completed.
        EXPECT_EQ(pool.stats().completed + pool.stats().cancelled, 400u);
        EXPECT_EQ(pool.stats().queued, 0u);
        EXPECT_EQ(pool.stats().running, 0u);
        EXPECT_EQ(pool.stats().workers_died, 0u);
    });
}

TEST(process_pool_cancel, shutdown_cancels_what_waits_and_lets_finish_what_runs) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        pool.submit<&test::mix>(1u).get();  // so that there is a worker for the next one
        std::string const path = "/tmp/coir-process-pool-" + std::to_string(::getpid());
        ::unlink(path.c_str());
        auto running = pool.submit<&test::stay_until>(path);
        auto queued = pool.submit<&fail_the_test>();
        pool.shutdown({.wait = false, .cancel_pending = true});
        EXPECT_THROW(queued.get(), cancelled);
        EXPECT_FALSE(running.done());
        EXPECT_THROW(pool.submit<&test::mix>(1u), executor_shut_down);
        std::fclose(std::fopen(path.c_str(), "w"));
        running.get();
        ::unlink(path.c_str());
    });
}

TEST(process_pool_cancel, a_dropped_future_leaves_its_job_alone) {
    process_pool_executor pool({.max_workers = 1});
    std::string const path = "/tmp/coir-process-pool-dropped-" + std::to_string(::getpid());
    ::unlink(path.c_str());
    pool.submit<[](std::string const& where) { std::fclose(std::fopen(where.c_str(), "w")); }>(path);
    pool.shutdown();
    EXPECT_EQ(::unlink(path.c_str()), 0);
}

TEST(process_pool_cancel, destroying_a_map_cancels_the_rest) {
    process_pool_executor pool({.max_workers = 1});
    {
        std::vector<int> const input{0, 1, 1, 1, 1};
        auto results = pool.map<[](int which) {
            if (which == 1) {
                test::stay();
            }
            return which;
        }>(input);
        EXPECT_EQ(*results.begin(), 0);
    }
    EXPECT_EQ(pool.submit<&test::mix>(3u).get(), test::mix(3));
}

}  // namespace
}  // namespace coir
