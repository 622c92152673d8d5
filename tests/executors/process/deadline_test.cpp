// SPDX-License-Identifier: BSL-1.0
//
// The time limit of whoever submits a job is the job's, even if nobody is there to enforce it but the pool.
#include "tests/executors/process/jobs.hpp"
#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::fail_the_test;
using test::k_long_time;
using test::on_one_and_four_workers;

int nap(int microseconds) {
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
    return microseconds;
}

// Calls `submit_within(limit)`, which is to leave the worker with a job that stays, with longer and longer limits until the
// worker was killed: in the first ones the job may be too late to begin. Fails by the test's time limit.
template <class F>
void kills_the_worker(process_pool_executor& pool, F const& submit_within) {
    int const number = pool.submit<&test::own_number>().get();
    auto limit = std::chrono::milliseconds(5);
    for (; pool.submit<&test::own_number>().get() == number; limit *= 2) {
        submit_within(limit);
    }
    test::yield_until([&] { return !test::is_alive(number); });
    EXPECT_EQ(pool.stats().workers_died, 0u);
    EXPECT_EQ(pool.stats().running, 0u);
    EXPECT_EQ(pool.submit<&test::mix>(4u).get(), test::mix(4));
}

TEST(process_pool_deadline, kills_a_job_that_nobody_waits_for_any_more) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        kills_the_worker(pool, [&](auto limit) {
            with_timeout(limit, [&] { pool.submit<&test::stay>(); });  // its future is dropped at once
        });
    });
}

TEST(process_pool_deadline, kills_a_job_whose_runtime_is_stuck) {
    run(runtime_options{.workers = 1}, [] {
        process_pool_executor pool({.max_workers = 1});
        kills_the_worker(pool, [&](auto limit) {
            auto const wait_without_letting_go = [&] {
                auto job = pool.submit<&test::stay>();
                while (!job.done()) {
                    std::this_thread::yield();
                }
                EXPECT_FALSE(job.cancelled());
                job.get();
            };
            EXPECT_THROW(with_timeout(limit, wait_without_letting_go), timeout_error);
        });
    });
}

TEST(process_pool_deadline, is_the_nearest_of_those_around) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        kills_the_worker(pool, [&](auto limit) {
            std::optional<future<void>> job;
            with_timeout(k_long_time, [&] {
                with_timeout(limit, [&] { with_timeout(k_long_time, [&] { job = pool.submit<&test::stay>(); }); });
            });
            EXPECT_THROW(job->get(), timeout_error);
        });
    });
}

TEST(process_pool_deadline, of_one_job_does_not_end_the_next) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 2});
        for (std::uint64_t i = 0; i < 20; ++i) {
            auto const soon = clock::now() + test::k_a_moment;
            with_deadline(soon, [&] { pool.submit<&test::stay>(); });
            auto others = gather(pool.submit<&test::mix>(i), pool.submit<&test::mix>(i + 1));
            EXPECT_EQ(std::get<0>(others), test::mix(i));
            EXPECT_EQ(std::get<1>(others), test::mix(i + 1));
        }
        test::yield_until([&] { return pool.stats().running == 0; });
        EXPECT_EQ(pool.stats().workers_died, 0u);
    });
}

// Then it may be this thread that gives the worker its next job, and not the thread that watches the deadlines.
TEST(process_pool_deadline, holds_for_a_job_that_follows_one_whose_answer_was_looked_for) {
    runtime home(runtime_options{.workers = 1});
    process_pool_executor pool({.max_workers = 1, .start_timeout = std::chrono::hours(1)});
    for (int round = 0; round < 24; ++round) {
        auto first = pool.submit<&nap>(round % 8 * 50);
        std::optional<future<void>> late;
        home.block_on([&] { with_timeout(test::k_a_moment, [&] { late = pool.submit<&test::stay>(); }); });
        EXPECT_EQ(first.get(), round % 8 * 50);
        EXPECT_THROW(late->get(), timeout_error);
    }
}

TEST(process_pool_deadline, that_has_passed_before_the_submit_starts_nothing) {
    for (bool const is_virtual : {false, true}) {
        run(runtime_options{.workers = 1, .virtual_time = is_virtual}, [] {
            process_pool_executor pool({.max_workers = 1});
            std::optional<future<int>> job;
            with_deadline(clock::now() - test::k_a_moment, [&] { job = pool.submit<&fail_the_test>(); });
            EXPECT_TRUE(job->done());
            EXPECT_THROW(job->get(), timeout_error);
            auto const stats = pool.stats();
            EXPECT_EQ(stats.submitted, 1u);
            EXPECT_EQ(stats.cancelled, 1u);
            EXPECT_EQ(stats.completed, 0u);
            EXPECT_EQ(stats.workers_started, 0u);
            sleep(test::k_a_moment);  // virtual time goes on
        });
    }
}

TEST(process_pool_deadline, that_passes_in_the_queue_keeps_the_job_from_running) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        auto first = pool.submit<&test::stay>();
        auto const deadline = clock::now() + test::k_a_moment;
        std::optional<future<int>> late;
        with_deadline(deadline, [&] { late = pool.submit<&fail_the_test>(); });
        auto next = pool.submit<&test::mix>(5u);
        sleep_until(deadline);
        first.cancel();
        EXPECT_THROW(late->get(), timeout_error);
        EXPECT_EQ(next.get(), test::mix(5));
        EXPECT_EQ(pool.stats().cancelled, 2u);
        EXPECT_EQ(pool.stats().completed, 1u);
    });
}

// In any order of their deadlines, and without another job's end that would have the queue looked through.
TEST(process_pool_deadline, that_passes_in_the_queue_ends_the_job_while_all_workers_are_busy) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        auto busy = pool.submit<&test::stay>();
        test::yield_until([&] { return pool.stats().running == 1; });
        std::vector<future<int>> late;
        std::vector<future<int>> others;
        auto const start = clock::now();
        for (int i = 0; i < 20; ++i) {
            with_deadline(start + test::k_a_moment * (1 + i * 7 % 20),
                          [&] { late.push_back(pool.submit<&fail_the_test>()); });
            with_timeout(k_long_time, [&] { others.push_back(pool.submit<&fail_the_test>()); });
        }
        for (auto& each : late) {
            EXPECT_THROW(each.get(), timeout_error);
        }
        auto const stats = pool.stats();
        EXPECT_EQ(stats.submitted, 41u);
        EXPECT_EQ(stats.cancelled, 20u);
        EXPECT_EQ(stats.queued, 20u);
        EXPECT_EQ(stats.running, 1u);
        EXPECT_EQ(stats.completed, 0u);
        EXPECT_FALSE(busy.done());
        for (auto& each : others) {
            EXPECT_TRUE(each.cancel());
        }
        busy.cancel();
        EXPECT_EQ(pool.submit<&test::mix>(5u).get(), test::mix(5));
        EXPECT_EQ(pool.stats().cancelled, 41u);
    });
}

TEST(process_pool_deadline, that_passes_in_the_queue_ends_a_job_that_nobody_waits_for) {
    process_pool_executor pool({.max_workers = 1});
    auto busy = pool.submit<&test::stay>();
    while (pool.stats().running == 0) {
        std::this_thread::yield();
    }
    run([&] { with_timeout(test::k_a_moment, [&] { pool.submit<&fail_the_test>(); }); });
    while (pool.stats().queued != 0) {
        std::this_thread::yield();  // fails by the time limit
    }
    EXPECT_EQ(pool.stats().cancelled, 1u);
    busy.cancel();
}

TEST(process_pool_deadline, that_has_been_caught_does_not_hold_for_later_jobs) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        with_timeout(test::k_a_moment, [&] {
            EXPECT_THROW(sleep(k_long_time), cancelled);
            EXPECT_EQ(pool.submit<&test::mix>(6u).get(), test::mix(6));
        });
    });
}

TEST(process_pool_deadline, does_not_hold_within_a_shield) {
    on_one_and_four_workers([] {
        process_pool_executor pool({.max_workers = 1});
        with_deadline(clock::now() - test::k_a_moment, [&] {
            cancel_shield const cleaning_up;
            EXPECT_EQ(pool.submit<&test::mix>(6u).get(), test::mix(6));
        });
    });
}

std::uint64_t mix_slowly(std::uint64_t x) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return test::mix(x);
}

TEST(process_pool_deadline, does_not_come_while_virtual_time_stands_still) {
    run(runtime_options{.workers = 1, .virtual_time = true}, [] {
        process_pool_executor pool({.max_workers = 1});
        auto const start = clock::now();
        EXPECT_EQ(with_timeout(test::k_a_moment, [&] { return pool.submit<&mix_slowly>(7u).get(); }), test::mix(7));
        EXPECT_EQ(clock::now(), start);
    });
}

}  // namespace
}  // namespace coir
