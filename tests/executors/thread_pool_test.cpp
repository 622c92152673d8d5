// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/thread_pool.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/context.hpp>
#include <coir/core/task/gather.hpp>
#include <coir/executors/run_in_executor.hpp>
#include <coir/sync/event.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;
using test::yield_until;

TEST(thread_pool, runs_jobs_on_threads_of_its_own) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 2});
        auto const here = std::this_thread::get_id();
        auto there = pool.submit([] { return std::this_thread::get_id(); });
        EXPECT_NE(there.get(), here);
        EXPECT_EQ(pool.submit([](int a, std::string b) { return b + std::to_string(a); }, 1, "x").get(), "x1");
        EXPECT_EQ(*pool.submit([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(3)).get(), 3);
        pool.submit([] {}).get();
    });
}

TEST(thread_pool, exception_of_a_job_comes_through_its_future) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 1});
        auto failing = pool.submit([]() -> int { throw std::runtime_error("job"); });
        EXPECT_THROW(failing.get(), std::runtime_error);
        EXPECT_EQ(pool.submit([] { return 1; }).get(), 1);
    });
}

TEST(thread_pool, exception_of_a_job_whose_future_has_gone_reaches_the_handler) {
    for (unsigned const workers : {1u, 4u}) {
        std::atomic<int> reported{0};
        runtime_options const options{.workers = workers,
                                      .on_unhandled_exception = [&](task_ref, std::exception_ptr) { ++reported; }};
        run(options, [&] {
            thread_pool_executor pool({.max_workers = 1});
            std::atomic<bool> future_has_gone{false};
            static_cast<void>(pool.submit([&] {
                yield_until([&] { return future_has_gone.load(); });
                throw std::runtime_error("lost");
            }));
            future_has_gone = true;
            yield_until([&] { return reported == 1; });
        });
        EXPECT_EQ(reported, 1);
    }
}

TEST(thread_pool, blocking_job_holds_its_thread_and_no_worker) {
    run(runtime_options{.workers = 1}, [] {
        thread_pool_executor pool({.max_workers = 1});
        event released;
        auto blocked = pool.submit([&] { released.wait(); });
        int turns = 0;
        auto other = spawn([&] {
            for (; turns < 100; ++turns) {
                yield();
            }
        });
        other.get();
        EXPECT_EQ(turns, 100);
        EXPECT_FALSE(blocked.done());
        released.set();
        blocked.get();
    });
}

TEST(thread_pool, has_no_more_threads_than_it_may_and_runs_everything) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 3});
        std::atomic<int> inside{0};
        std::atomic<int> most{0};
        std::vector<future<int>> results;
        for (int i = 0; i < 200; ++i) {
            results.push_back(pool.submit([&, i] {
                int const now = inside.fetch_add(1) + 1;
                for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
                }
                std::this_thread::yield();
                inside.fetch_sub(1);
                return i;
            }));
        }
        int sum = 0;
        for (auto& r : results) {
            sum += r.get();
        }
        EXPECT_EQ(sum, 199 * 200 / 2);
        EXPECT_LE(most, 3);
        EXPECT_LE(pool.stats().threads, 3u);
        EXPECT_EQ(pool.stats().submitted, 200u);
    });
}

TEST(thread_pool, cancelled_job_that_has_not_started_never_runs) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 1});
        event started;
        event released;
        auto first = pool.submit([&] {
            started.set();
            released.wait();
        });
        started.wait();
        auto queued = pool.submit([] { ADD_FAILURE() << "runs"; });
        auto behind = pool.submit([] { return 2; });
        EXPECT_TRUE(queued.cancel());
        released.set();
        first.get();
        EXPECT_EQ(behind.get(), 2);
        EXPECT_TRUE(queued.cancelled());
        EXPECT_THROW(queued.get(), cancelled);
    });
}

TEST(thread_pool, destructor_waits_for_every_job) {
    std::atomic<int> ran{0};
    {
        thread_pool_executor pool({.max_workers = 2});
        for (int i = 0; i < 50; ++i) {
            pool.submit([&] { ran.fetch_add(1); });
        }
    }
    EXPECT_EQ(ran, 50);
}

TEST(thread_pool, refuses_jobs_after_its_shutdown) {
    thread_pool_executor pool({.max_workers = 1});
    auto before = pool.submit([] { return 1; });
    pool.shutdown();
    EXPECT_EQ(before.get(), 1);
    EXPECT_THROW(pool.submit([] {}), executor_shut_down);
    pool.shutdown();
}

TEST(thread_pool, shutdown_can_cancel_what_has_not_started) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 1});
        event started;
        event released;
        auto first = pool.submit([&] {
            started.set();
            released.wait();
            return 1;
        });
        started.wait();
        auto queued = pool.submit([] { ADD_FAILURE() << "runs"; });
        pool.shutdown({.wait = false, .cancel_pending = true});
        EXPECT_THROW(queued.get(), cancelled);
        released.set();
        EXPECT_EQ(first.get(), 1);
    });
}

TEST(thread_pool, too_many_workers_are_an_error) {
    EXPECT_THROW(thread_pool_executor({.max_workers = 1'000'000}), std::invalid_argument);
}

TEST(run_in_executor, uses_the_default_pool_or_the_one_that_is_named) {
    on_one_and_four_workers([] {
        auto const here = std::this_thread::get_id();
        EXPECT_NE(run_in_executor([] { return std::this_thread::get_id(); }).get(), here);
        EXPECT_EQ(run_in_executor([](int a, int b) { return a + b; }, 1, 2).get(), 3);
        thread_pool_executor pool({.max_workers = 1});
        auto const first = run_in_executor(pool, [] { return std::this_thread::get_id(); }).get();
        EXPECT_EQ(run_in_executor(pool, [] { return std::this_thread::get_id(); }).get(), first);
        EXPECT_EQ(to_thread([] { return 4; }), 4);
        auto const [a, b] = gather(run_in_executor([] { return 5; }), run_in_executor([] { return 6; }));
        EXPECT_EQ(a + b, 11);
    });
}

TEST(run_in_executor, outside_of_a_task_throws) {
    EXPECT_THROW(run_in_executor([] {}), no_running_runtime);
}

TEST(run_in_executor, cancelled_caller_does_not_wait_for_a_job_that_runs) {
    on_one_and_four_workers([] {
        // The job outlives this task: it owns what it uses.
        struct shared {
            std::atomic<bool> started{false};
            event released;
        };
        auto const both = std::make_shared<shared>();
        auto caller = spawn([both] {
            to_thread([both] {
                both->started = true;
                both->released.wait();
            });
        });
        yield_until([&] { return both->started.load(); });
        caller.cancel();
        EXPECT_THROW(caller.get(), cancelled);
        both->released.set();
    });
}

TEST(to_thread, has_a_copy_of_the_context_variables_of_its_caller) {
    on_one_and_four_workers([] {
        set_default_executor(std::make_shared<thread_pool_executor>(thread_pool_options{.max_workers = 1}));
        auto const witness = std::make_shared<int>(6);
        context_var<std::shared_ptr<int>> v(nullptr);
        auto of_caller = v.set(std::make_shared<int>(5));
        runtime& home = runtime::current();
        to_thread([&] {
            EXPECT_EQ(*v.get(), 5);
            EXPECT_THROW(v.reset(of_caller), std::invalid_argument);
            auto before = v.set(witness);
            EXPECT_EQ(*v.get(), 6);
            EXPECT_EQ(*home.spawn([&] { return v.get(); }).get(), 6);  // so does what it starts
            v.reset(before);
            EXPECT_EQ(*v.get(), 5);
            v.set(witness);
        });
        EXPECT_EQ(*v.get(), 5);
        // The task that it has started may just be about to be freed, on another worker.
        yield_until([&] { return witness.use_count() == 1; });
        EXPECT_THROW(to_thread([&] {
                         v.set(witness);
                         throw std::runtime_error("job");
                     }),
                     std::runtime_error);
        // Nothing of it stays on the thread.
        EXPECT_EQ(run_in_executor([&] { return v.get(); }).get(), nullptr);
        EXPECT_THROW(run_in_executor([&] { v.set(nullptr); }).get(), no_running_runtime);
    });
}

TEST(to_thread, leaves_the_values_of_a_caller_alone_that_runs_the_job_itself) {
    struct inline_executor : executor {
        void execute(job work) override { work.run(); }
    };
    on_one_and_four_workers([] {
        set_default_executor(std::make_shared<inline_executor>());
        context_var<int> v(0);
        EXPECT_EQ(to_thread([&] {
                      v.set(6);
                      yield();
                      return v.get();
                  }),
                  6);
        EXPECT_EQ(v.get(), 0);
        v.set(5);
        to_thread([&] {
            EXPECT_EQ(v.get(), 5);
            v.set(6);
        });
        EXPECT_EQ(v.get(), 5);
    });
}

TEST(to_thread, passes_a_stop_token_on) {
    on_one_and_four_workers([] {
        EXPECT_EQ(to_thread([](std::stop_token const& stop, int n) { return stop.stop_possible() ? n : 0; }, 3), 3);
    });
}

TEST(set_default_executor, is_used_from_then_on_and_shut_down_at_the_end) {
    for (unsigned const workers : {1u, 4u}) {
        auto const pool = std::make_shared<thread_pool_executor>(thread_pool_options{.max_workers = 1});
        std::atomic<bool> ended{false};
        event released;
        run(runtime_options{.workers = workers}, [&] {
            set_default_executor(pool);
            run_in_executor([&] {
                released.wait();
                ended = true;
            });
            EXPECT_THROW(set_default_executor(nullptr), std::invalid_argument);
            EXPECT_EQ(pool->stats().submitted, 1u);
            released.set();
        });
        EXPECT_TRUE(ended);
        EXPECT_THROW(pool->submit([] {}), executor_shut_down);
    }
}

TEST(set_default_executor, leaves_the_jobs_of_the_one_before_alone) {
    on_one_and_four_workers([] {
        event released;
        auto running = run_in_executor([&] {
            released.wait();
            return 1;
        });
        set_default_executor(std::make_shared<thread_pool_executor>(thread_pool_options{.max_workers = 1}));
        auto queued_there = run_in_executor([&] {
            released.wait();
            return 2;
        });
        auto behind_it = run_in_executor([] { return 3; });
        set_default_executor(std::make_shared<thread_pool_executor>());
        EXPECT_EQ(run_in_executor([] { return 4; }).get(), 4);
        EXPECT_FALSE(running.done());
        EXPECT_FALSE(behind_it.done());
        released.set();
        EXPECT_EQ(running.get(), 1);
        EXPECT_EQ(queued_there.get(), 2);
        EXPECT_EQ(behind_it.get(), 3);
    });
}

TEST(set_default_executor, shuts_each_of_them_down_at_the_end_however_often_it_was_set) {
    auto const first = std::make_shared<thread_pool_executor>(thread_pool_options{.max_workers = 1});
    auto const second = std::make_shared<thread_pool_executor>(thread_pool_options{.max_workers = 1});
    std::atomic<int> ran{0};
    run([&] {
        for (int i = 0; i < 3; ++i) {
            set_default_executor(first);
            set_default_executor(first);
            run_in_executor([&] { ++ran; });
            set_default_executor(second);
            run_in_executor([&] { ++ran; });
        }
        EXPECT_EQ(first->stats().submitted, 3u);
    });
    EXPECT_EQ(ran, 6);
    EXPECT_THROW(first->submit([] {}), executor_shut_down);
    EXPECT_THROW(second->submit([] {}), executor_shut_down);
    EXPECT_EQ(first.use_count(), 1);
}

TEST(set_default_executor, does_not_make_a_runtime_in_one_of_its_jobs_wait_for_itself) {
    auto const pool = std::make_shared<thread_pool_executor>(thread_pool_options{.max_workers = 2});
    auto result = pool->submit([&pool] {
        return coir::run([&pool] {
            set_default_executor(pool);
            return to_thread([] { return 7; });
        });
    });
    EXPECT_EQ(result.get(), 7);
    EXPECT_THROW(pool->submit([] {}), executor_shut_down);
}

}  // namespace
}  // namespace coir
