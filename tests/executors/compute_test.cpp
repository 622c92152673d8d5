// SPDX-License-Identifier: BSL-1.0
#include <coir/compute.hpp>

#include "tests/support/running.hpp"

#include <coir/core/sched/blocking.hpp>
#include <coir/core/task/gather.hpp>
#include <coir/core/task/sleep.hpp>
#include <coir/core/task/timeout.hpp>
#include <coir/executors/run_in_executor.hpp>
#include <coir/sync/event.hpp>

#include <tbb/parallel_for.h>
#include <tbb/parallel_reduce.h>
#include <tbb/task_arena.h>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;
using test::yield_until;

int sum_up_to(int n) {
    return tbb::parallel_reduce(
        tbb::blocked_range<int>(0, n), 0,
        [](tbb::blocked_range<int> const& part, int sum) {
            for (int i = part.begin(); i != part.end(); ++i) {
                sum += i;
            }
            return sum;
        },
        std::plus<>());
}

TEST(compute_executor, runs_algorithms_of_onetbb_in_its_arena) {
    on_one_and_four_workers([] {
        compute_executor compute({.max_concurrency = 2});
        EXPECT_EQ(compute.submit(sum_up_to, 10'000).get(), 49'995'000);
        EXPECT_EQ(compute.submit([] { return tbb::this_task_arena::max_concurrency(); }).get(), 2);
        auto const here = std::this_thread::get_id();
        EXPECT_NE(compute.submit([] { return std::this_thread::get_id(); }).get(), here);
        auto const [a, b] = gather(run_in_executor(compute, sum_up_to, 10), run_in_executor(compute, sum_up_to, 100));
        EXPECT_EQ(a + b, 45 + 4950);
        int total = 0;
        for (int r : compute.map(sum_up_to, std::vector<int>{1, 2, 3})) {
            total += r;
        }
        EXPECT_EQ(total, 0 + 1 + 3);
    });
}

TEST(compute_executor, as_many_jobs_run_at_once_as_its_concurrency) {
    for (std::size_t const threads : {1u, 2u, 5u, 3u}) {
        run([threads] {
            compute_executor compute({.max_concurrency = threads});
            // More jobs than threads: what is counted is how many are inside at the same time.
            std::atomic<std::size_t> inside = 0;
            std::atomic<std::size_t> most = 0;
            std::atomic<bool> let_go = false;
            auto const job = [&] {
                std::size_t const now = ++inside;
                for (std::size_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
                }
                while (!let_go) {
                    std::this_thread::yield();
                }
                --inside;
            };
            std::vector<future<void>> jobs;
            for (std::size_t i = 0; i < threads + 3; ++i) {
                jobs.push_back(compute.submit(job));
            }
            yield_until([&] { return most == threads; });
            let_go = true;
            for (auto& one : jobs) {
                one.get();
            }
            EXPECT_EQ(most, threads);
        });
    }
}

TEST(compute_executor, job_holds_back_virtual_time) {
    run(runtime_options{.virtual_time = true}, [] {
        compute_executor compute({.max_concurrency = 1});
        auto const start = clock::now();
        auto job = compute.submit([] {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            return 7;
        });
        auto limited = spawn([&] { return with_timeout(std::chrono::seconds(1), [&] { return job.get(); }); });
        EXPECT_EQ(limited.get(), 7);
        EXPECT_EQ(clock::now(), start);
        sleep(std::chrono::hours(1));
        EXPECT_EQ(clock::now() - start, std::chrono::hours(1));
    });
}

TEST(compute_executor, job_of_a_blocking_section_holds_back_virtual_time) {
    run(runtime_options{.virtual_time = true}, [] {
        compute_executor compute({.max_concurrency = 1});
        auto const start = clock::now();
        auto job = coir::blocking([&] {
            return compute.submit([] {
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
                return 7;
            });
        });
        EXPECT_EQ(with_timeout(std::chrono::seconds(1), [&] { return job.get(); }), 7);
        EXPECT_EQ(clock::now(), start);
    });
}

TEST(compute_executor, job_holds_up_no_worker) {
    run(runtime_options{.workers = 1}, [] {
        compute_executor compute({.max_concurrency = 1});
        event released;
        auto busy = compute.submit([&] { released.wait(); });
        int turns = 0;
        spawn([&] {
            for (; turns < 100; ++turns) {
                yield();
            }
        }).get();
        EXPECT_FALSE(busy.done());
        released.set();
        busy.get();
    });
}

TEST(compute_executor, exception_inside_an_algorithm_comes_through_the_future) {
    on_one_and_four_workers([] {
        compute_executor compute;
        auto failing = compute.submit([] {
            tbb::parallel_for(0, 1000, [](int i) {
                if (i == 500) {
                    throw std::runtime_error("in the middle");
                }
            });
        });
        EXPECT_THROW(failing.get(), std::runtime_error);
        EXPECT_EQ(compute.submit([] { return 1; }).get(), 1);
    });
}

TEST(compute_executor, cancelling_the_future_cancels_the_algorithm) {
    on_one_and_four_workers([] {
        compute_executor compute({.max_concurrency = 1});
        std::atomic<bool> started{false};
        std::atomic<bool> cancelled_now{false};
        std::atomic<int> after{0};
        auto endless = compute.submit([&] {
            tbb::parallel_for(
                tbb::blocked_range<int>(0, 1'000'000, 1),
                [&](tbb::blocked_range<int> const&) {
                    started = true;
                    while (!cancelled_now) {
                        std::this_thread::yield();
                    }
                    ++after;
                },
                tbb::simple_partitioner());
        });
        yield_until([&] { return started.load(); });
        EXPECT_TRUE(endless.cancel());
        cancelled_now = true;
        EXPECT_THROW(endless.get(), cancelled);
        compute.shutdown();
        EXPECT_LT(after, 1'000'000);  // one that runs ends; of the others none starts
    });
}

TEST(compute_executor, cancelled_job_that_has_not_started_never_runs) {
    on_one_and_four_workers([] {
        compute_executor compute({.max_concurrency = 1});
        event released;
        event started;
        auto first = compute.submit([&] {
            started.set();
            released.wait();
        });
        started.wait();
        auto queued = compute.submit([] { ADD_FAILURE() << "runs"; });
        EXPECT_TRUE(queued.cancel());
        released.set();
        compute.shutdown();
        EXPECT_EQ(compute.stats().completed, 1u);
        EXPECT_EQ(compute.stats().cancelled, 1u);
        EXPECT_THROW(compute.submit([] {}), executor_shut_down);
    });
}

// One whose only thread is in a job.
struct busy_compute {
    busy_compute() {
        running = compute.submit([this] {
            started.set();
            released.wait();
        });
        started.wait();
    }
    ~busy_compute() { released.set(); }

    event started;
    event released;
    compute_executor compute{{.max_concurrency = 1}};
    future<void> running;
};

TEST(compute_executor, cancelling_removes_a_queued_job) {
    on_one_and_four_workers([] {
        busy_compute busy;
        auto const captured = std::make_shared<int>(1);
        auto queued = busy.compute.submit([captured] { ADD_FAILURE() << "runs"; });
        EXPECT_EQ(captured.use_count(), 2);
        EXPECT_EQ(busy.compute.stats().queued, 1u);
        EXPECT_TRUE(queued.cancel());
        EXPECT_EQ(captured.use_count(), 1);
        EXPECT_EQ(busy.compute.stats().queued, 0u);
        EXPECT_EQ(busy.compute.stats().cancelled, 1u);
    });
}

TEST(compute_executor, jobs_run_in_the_place_of_those_that_were_cancelled) {
    on_one_and_four_workers([] {
        busy_compute busy;
        constexpr int k_jobs = 50;
        std::atomic<int> ran{0};
        std::vector<future<void>> first;
        std::vector<future<void>> second;
        for (int i = 0; i < k_jobs; ++i) {
            first.push_back(busy.compute.submit([&ran] { ran += 1; }));
        }
        for (int i = 0; i < k_jobs; i += 2) {
            EXPECT_TRUE(first[static_cast<std::size_t>(i)].cancel());
        }
        for (int i = 0; i < k_jobs; ++i) {
            second.push_back(busy.compute.submit([&ran] { ran += 1000; }));
        }
        busy.released.set();
        for (auto& each : second) {
            each.get();
        }
        busy.compute.shutdown();
        EXPECT_EQ(ran, k_jobs / 2 + 1000 * k_jobs);
        EXPECT_EQ(busy.compute.stats().completed, 1u + k_jobs / 2 + k_jobs);
        EXPECT_EQ(busy.compute.stats().cancelled, 0u + k_jobs / 2);
        EXPECT_EQ(busy.compute.stats().queued, 0u);
    });
}

TEST(compute_executor, job_that_is_cancelled_as_it_starts_counts_once) {
    compute_executor compute({.max_concurrency = 2});
    constexpr unsigned k_jobs = 500;
    std::atomic<unsigned> ran{0};
    auto const submit_and_cancel = [&] {
        for (unsigned i = 0; i < k_jobs; ++i) {
            auto job = compute.submit([&ran] { ++ran; });
            job.cancel();
        }
    };
    std::thread other(submit_and_cancel);
    submit_and_cancel();
    other.join();
    compute.shutdown();
    auto const stats = compute.stats();
    EXPECT_EQ(stats.submitted, 2 * k_jobs);
    EXPECT_EQ(stats.completed, ran);
    EXPECT_EQ(stats.completed + stats.cancelled, 2 * k_jobs);
}

TEST(compute_executor, shutdown_can_cancel_what_has_not_started_at_once) {
    on_one_and_four_workers([] {
        busy_compute busy;
        auto queued = busy.compute.submit([] { ADD_FAILURE() << "runs"; });
        busy.compute.shutdown({.wait = false, .cancel_pending = true});
        EXPECT_TRUE(queued.done());
        EXPECT_EQ(busy.compute.stats().cancelled, 1u);
        EXPECT_FALSE(busy.running.done());
        busy.released.set();
        busy.running.get();
        EXPECT_THROW(queued.get(), cancelled);
    });
}

TEST(compute_executor, job_given_to_execute_is_accounted_for) {
    on_one_and_four_workers([] {
        event started;
        event released;
        std::atomic<bool> ended{false};
        compute_executor compute({.max_concurrency = 1});
        compute.execute(job([&] {
            started.set();
            released.wait();
            ended = true;
        }));
        started.wait();
        EXPECT_EQ(compute.stats().submitted, 1u);
        auto closing = spawn([&] {
            compute.shutdown();
            EXPECT_TRUE(ended);
        });
        test::yield_until_waiting(closing);
        released.set();
        closing.get();
        EXPECT_EQ(compute.stats().completed, 1u);
        EXPECT_THROW(compute.execute(job([] { ADD_FAILURE() << "runs"; })), executor_shut_down);
    });
}

TEST(compute_executor, shutdown_from_one_of_its_jobs_is_an_error) {
    compute_executor compute({.max_concurrency = 1});
    EXPECT_THROW(compute.submit([&] { compute.shutdown(); }).get(), invalid_state);
    compute.submit([&] { compute.shutdown({.wait = false}); }).get();
    EXPECT_THROW(compute.submit([] {}), executor_shut_down);
}

TEST(compute_executor, destroyed_by_one_of_its_jobs_runs_the_others) {
    for (int i = 0; i < 20; ++i) {
        auto compute = std::make_unique<compute_executor>(compute_options{.max_concurrency = 1});
        event submitted;
        auto destroying = compute->submit([&] {
            submitted.wait();
            compute.reset();
        });
        auto dropped = compute->submit([] { ADD_FAILURE() << "runs"; });
        auto last = compute->submit([] { return 1; });
        EXPECT_TRUE(dropped.cancel());
        submitted.set();
        EXPECT_EQ(last.get(), 1);
        destroying.get();
    }
}

TEST(compute_executor, destructor_waits_for_every_job) {
    std::atomic<int> ran{0};
    {
        compute_executor compute({.max_concurrency = 2});
        for (int i = 0; i < 50; ++i) {
            compute.submit([&] { ++ran; });
        }
    }
    EXPECT_EQ(ran, 50);
}

TEST(compute_executor, absurd_options_are_an_error) {
    EXPECT_THROW(compute_executor({.max_concurrency = 1'000'000}), std::invalid_argument);
}

}  // namespace
}  // namespace coir
