// SPDX-License-Identifier: BSL-1.0
//
// What a thread pool does at its limits: full queues, threads that cannot start, initializers that fail, idle time-outs,
// and being shut down from the inside.

#include "tests/support/no_threads.hpp"
#include "tests/support/one_processor.hpp"
#include "tests/support/running.hpp"

#include <coir/core/base/config.hpp>
#include <coir/executors/thread_pool.hpp>
#include <coir/sync/event.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace coir {
namespace {

using test::no_threads;
using test::on_one_and_four_workers;
using test::yield_until;

// A pool of one thread, which is busy until release() is called.
struct busy_pool {
    explicit busy_pool(thread_pool_options options) : pool((options.max_workers = 1, std::move(options))) {
        first = pool.submit([this] {
            started.set();
            released.wait();
        });
        started.wait();
    }
    ~busy_pool() { released.set(); }

    event started;
    event released;
    thread_pool_executor pool;
    future<void> first;
};

TEST(thread_pool, idle_thread_takes_the_next_job_in_place_of_a_new_thread) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 8});
        std::set<std::thread::id> seen;
        for (int i = 0; i < 20; ++i) {
            seen.insert(pool.submit([] { return std::this_thread::get_id(); }).get());
            yield_until([&] { return pool.stats().idle_threads == pool.stats().threads; });
        }
        EXPECT_EQ(seen.size(), 1u);
        EXPECT_EQ(pool.stats().threads, 1u);
    });
}

TEST(thread_pool, thread_that_became_idle_last_is_used_first) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 2});
        event first_may_end;
        event second_may_end;
        auto first = pool.submit([&] {
            first_may_end.wait();
            return std::this_thread::get_id();
        });
        auto second = pool.submit([&] {
            second_may_end.wait();
            return std::this_thread::get_id();
        });
        first_may_end.set();
        first.get();
        yield_until([&] { return pool.stats().idle_threads == 1; });
        second_may_end.set();
        auto const last = second.get();
        yield_until([&] { return pool.stats().idle_threads == 2; });
        EXPECT_EQ(pool.submit([] { return std::this_thread::get_id(); }).get(), last);
    });
}

TEST(thread_pool, idle_threads_end_after_their_timeout_and_come_back) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 3, .idle_timeout = std::chrono::milliseconds(1)});
        for (int round = 0; round < 3; ++round) {
            auto a = pool.submit([] {});
            auto b = pool.submit([] {});
            a.get();
            b.get();
            yield_until([&] { return pool.stats().threads == 0; });
        }
        EXPECT_EQ(pool.stats().completed, 6u);
    });
}

TEST(thread_pool, initializer_runs_once_in_each_thread_before_its_jobs) {
    on_one_and_four_workers([] {
        std::atomic<int> initialised{0};
        thread_pool_executor pool({.max_workers = 2, .initializer = [&] { ++initialised; }});
        for (int i = 0; i < 10; ++i) {
            EXPECT_GE(pool.submit([&] { return initialised.load(); }).get(), 1);
        }
        yield_until([&] { return pool.stats().idle_threads == pool.stats().threads; });
        EXPECT_EQ(static_cast<std::size_t>(initialised.load()), pool.stats().threads);
    });
}

TEST(thread_pool, idle_thread_does_not_wait_for_one_that_is_still_being_made_ready) {
    on_one_and_four_workers([] {
        std::atomic<int> initialised{0};
        event second_may_start;
        thread_pool_executor pool({.max_workers = 2, .initializer = [&] {
                                       if (++initialised == 2) {
                                           second_may_start.wait();
                                       }
                                   }});
        event first_may_end;
        auto first = pool.submit([&] { first_may_end.wait(); });
        yield_until([&] { return initialised == 1 && pool.stats().queued == 0; });
        auto second = pool.submit([] { return 2; });  // for which the other thread is started
        first_may_end.set();
        first.get();
        EXPECT_EQ(second.get(), 2);
        yield_until([&] { return pool.stats().idle_threads == 1; });
        EXPECT_EQ(pool.submit([] { return 3; }).get(), 3);
        EXPECT_EQ(pool.stats().threads, 2u);
        second_may_start.set();
    });
}

TEST(thread_pool, failing_initializer_breaks_the_pool_for_pending_and_later_jobs) {
    on_one_and_four_workers([] {
        event may_fail;
        thread_pool_executor pool({.max_workers = 1, .initializer = [&] {
                                       may_fail.wait();
                                       throw std::runtime_error("no licence");
                                   }});
        auto pending = pool.submit([] { ADD_FAILURE() << "runs"; });
        auto another = pool.submit([] { ADD_FAILURE() << "runs"; });
        may_fail.set();
        EXPECT_THROW(pending.get(), broken_executor);
        try {
            another.get();
            ADD_FAILURE() << "has a result";
        } catch (broken_executor const& e) {
            EXPECT_NE(std::string(e.what()).find("no licence"), std::string::npos) << e.what();
        }
        EXPECT_THROW(pool.submit([] {}), broken_executor);
        pool.shutdown();
        EXPECT_EQ(pool.stats().threads, 0u);
    });
}

TEST(thread_pool, full_queue_rejects) {
    on_one_and_four_workers([] {
        busy_pool busy({.queue_limit = 2, .queue_policy = queue_policy::reject});
        auto a = busy.pool.submit([] { return 1; });
        auto b = busy.pool.submit([] { return 2; });
        EXPECT_THROW(busy.pool.submit([] { ADD_FAILURE() << "runs"; }), executor_full);
        EXPECT_EQ(busy.pool.stats().rejected, 1u);
        busy.released.set();
        EXPECT_EQ(a.get() + b.get(), 3);
        EXPECT_EQ(busy.pool.submit([] { return 3; }).get(), 3);
    });
}

TEST(thread_pool, jobs_for_which_a_thread_is_free_do_not_count_as_queued) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 3, .queue_limit = 1, .queue_policy = queue_policy::reject});
        event released;
        std::vector<future<void>> all;
        for (int i = 0; i < 4; ++i) {
            all.push_back(pool.submit([&] { released.wait(); }));
        }
        EXPECT_THROW(pool.submit([] {}), executor_full);
        released.set();
        for (auto& f : all) {
            f.get();
        }
    });
}

TEST(thread_pool, full_queue_makes_the_caller_run_the_job) {
    on_one_and_four_workers([] {
        busy_pool busy({.queue_limit = 1, .queue_policy = queue_policy::caller_runs});
        auto queued = busy.pool.submit([] { return std::this_thread::get_id(); });
        auto const here = std::this_thread::get_id();
        auto mine = busy.pool.submit([] { return std::this_thread::get_id(); });
        EXPECT_TRUE(mine.done());
        EXPECT_EQ(mine.get(), here);
        busy.released.set();
        EXPECT_NE(queued.get(), here);
    });
}

TEST(thread_pool, may_be_destroyed_by_a_job_that_its_caller_runs) {
    on_one_and_four_workers([] {
        event started;
        event released;
        auto pool = std::make_unique<thread_pool_executor>(
            thread_pool_options{.max_workers = 1, .queue_limit = 1, .queue_policy = queue_policy::caller_runs});
        auto running = pool->submit([&] {
            started.set();
            released.wait();
        });
        started.wait();
        auto queued = pool->submit([] { return 1; });
        auto mine = pool->submit([&] {
            released.set();
            pool.reset();
            return 2;
        });
        EXPECT_TRUE(mine.done());
        EXPECT_EQ(mine.get(), 2);
        EXPECT_EQ(queued.get(), 1);
    });
}

TEST(thread_pool, full_queue_makes_callers_wait_in_their_order) {
    on_one_and_four_workers([] {
        std::vector<int> order;  // only the pool's one thread writes it
        busy_pool busy({.queue_limit = 1});
        auto queued = busy.pool.submit([&] { order.push_back(0); });
        std::vector<task<void>> callers;
        for (int i = 1; i <= 5; ++i) {
            callers.push_back(spawn([&, i] { busy.pool.submit([&, i] { order.push_back(i); }).get(); }));
            yield_until([&] { return busy.pool.stats().waiting == static_cast<std::size_t>(i); });
        }
        std::thread from_a_thread([&] { busy.pool.submit([&] { order.push_back(6); }).get(); });
        yield_until([&] { return busy.pool.stats().waiting == 6; });
        busy.released.set();
        for (auto& c : callers) {
            c.get();
        }
        from_a_thread.join();
        EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6}));
    });
}

TEST(thread_pool, cancelled_caller_that_waits_for_room_submits_nothing) {
    on_one_and_four_workers([] {
        busy_pool busy({.queue_limit = 1});
        auto queued = busy.pool.submit([] { return 1; });
        auto caller = spawn([&] { busy.pool.submit([] { ADD_FAILURE() << "runs"; }); });
        auto next = spawn([&] { return busy.pool.submit([] { return 2; }).get(); });
        yield_until([&] { return busy.pool.stats().waiting == 2; });
        caller.cancel();
        EXPECT_THROW(caller.get(), cancelled);
        busy.released.set();
        EXPECT_EQ(queued.get() + next.get(), 3);
        EXPECT_EQ(busy.pool.stats().submitted, 3u);
    });
}

TEST(thread_pool, cancelled_reader_of_a_map_that_waits_for_room_loses_no_item) {
    on_one_and_four_workers([] {
        event released;
        thread_pool_executor pool({.max_workers = 1, .queue_limit = 1});
        std::atomic<bool> reads{false};
        std::vector<int> const items{0, 1, 2, 3, 4};
        std::vector<int> seen;
        int cancellations = 0;
        auto reader = spawn([&] {
            auto results = pool.map(
                [&](int item) {
                    if (item == 1) {
                        released.wait();
                    }
                    return item;
                },
                items, {.buffer_size = 3});
            reads = true;
            for (auto it = results.begin(); it != results.end(); ++it) {
                for (bool read = false; !read;) {
                    try {
                        seen.push_back(*it);
                        read = true;
                    } catch (cancelled const&) {
                        ++cancellations;
                        released.set();
                    }
                }
            }
        });
        yield_until([&] { return reads && pool.stats().waiting == 1; });
        reader.cancel();
        reader.get();
        EXPECT_EQ(cancellations, 1);
        EXPECT_EQ(seen, items);
    });
}

TEST(thread_pool, cancelled_job_makes_room_for_who_waits) {
    on_one_and_four_workers([] {
        busy_pool busy({.queue_limit = 1});
        auto queued = busy.pool.submit([] { ADD_FAILURE() << "runs"; });
        auto caller = spawn([&] { return busy.pool.submit([] { return 2; }); });
        yield_until([&] { return busy.pool.stats().waiting == 1; });
        EXPECT_TRUE(queued.cancel());
        auto admitted = caller.get();  // while the thread is still busy
        EXPECT_EQ(busy.pool.stats().cancelled, 1u);
        busy.released.set();
        EXPECT_EQ(admitted.get(), 2);
    });
}

TEST(thread_pool, shutdown_turns_away_who_waits_for_room) {
    on_one_and_four_workers([] {
        busy_pool busy({.queue_limit = 1});
        auto queued = busy.pool.submit([] { return 1; });
        auto caller = spawn([&] { busy.pool.submit([] { ADD_FAILURE() << "runs"; }); });
        yield_until([&] { return busy.pool.stats().waiting == 1; });
        busy.pool.shutdown({.wait = false});
        EXPECT_THROW(caller.get(), executor_shut_down);
        busy.released.set();
        EXPECT_EQ(queued.get(), 1);
    });
}

// For AddressSanitizer: the pool is gone before the thread that it has turned away gets the processor.
TEST(thread_pool, caller_that_is_turned_away_needs_the_pool_no_more) {
    test::on_one_processor const here;
    auto pool = std::make_unique<thread_pool_executor>(thread_pool_options{.max_workers = 1, .queue_limit = 1});
    event started;
    event released;
    auto const running = pool->submit([&] {
        started.set();
        released.wait();
    });
    started.wait();
    auto const queued = pool->submit([] {});
    std::thread waiting([&where = *pool] {
        test::give_way_to_all_others();
        EXPECT_THROW(where.submit([] {}), executor_shut_down);
    });
    yield_until([&] { return pool->stats().waiting == 1; });
    pool->shutdown({.wait = false});
    released.set();
    pool.reset();
    waiting.join();
}

TEST(thread_pool, job_that_submits_to_its_own_full_pool_does_not_wait_for_itself) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 1, .queue_limit = 1});
        std::vector<future<int>> inner;
        pool.submit([&] {
                for (int i = 0; i < 5; ++i) {
                    inner.push_back(pool.submit([i] { return i; }));
                }
            })
            .get();
        int sum = 0;
        for (auto& f : inner) {
            sum += f.get();
        }
        EXPECT_EQ(sum, 10);
    });
}

TEST(thread_pool, cancelled_job_leaves_the_queue_and_destroys_what_it_captured_at_once) {
    on_one_and_four_workers([] {
        busy_pool busy({});
        auto const captured = std::make_shared<int>(1);
        auto queued = busy.pool.submit([captured] { ADD_FAILURE() << "runs"; });
        EXPECT_EQ(captured.use_count(), 2);
        EXPECT_EQ(busy.pool.stats().queued, 1u);
        EXPECT_TRUE(queued.cancel());
        EXPECT_EQ(captured.use_count(), 1);
        EXPECT_EQ(busy.pool.stats().queued, 0u);
        EXPECT_EQ(busy.pool.stats().cancelled, 1u);
    });
}

TEST(thread_pool, running_job_that_takes_a_stop_token_is_asked_to_stop) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 1});
        std::atomic<bool> started{false};
        auto endless = pool.submit(
            [&](std::stop_token stop, int increment) {
                started = true;
                int turns = 0;
                while (!stop.stop_requested()) {
                    turns += increment;
                    std::this_thread::yield();
                }
                return turns;
            },
            1);
        yield_until([&] { return started.load(); });
        EXPECT_TRUE(endless.cancel());
        EXPECT_THROW(endless.get(), cancelled);
        EXPECT_EQ(pool.submit([] { return 2; }).get(), 2);  // the thread is free again
    });
}

TEST(thread_pool, captured_objects_are_gone_before_the_result_is_there) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 1});
        for (int i = 0; i < 100; ++i) {
            auto const captured = std::make_shared<int>(i);
            EXPECT_EQ(pool.submit([captured] { return *captured; }).get(), i);
            EXPECT_EQ(captured.use_count(), 1);
        }
    });
}

TEST(thread_pool, shutdown_from_one_of_its_jobs_is_an_error) {
    thread_pool_executor pool({.max_workers = 1});
    EXPECT_THROW(pool.submit([&] { pool.shutdown(); }).get(), invalid_state);
    pool.submit([&] { pool.shutdown({.wait = false}); }).get();
    EXPECT_THROW(pool.submit([] {}), executor_shut_down);
}

TEST(thread_pool, destroyed_by_one_of_its_jobs_ends_without_waiting_for_itself) {
    auto last = std::make_unique<thread_pool_executor>(thread_pool_options{.max_workers = 1});
    event may_go;
    auto* const pool = last.get();
    testing::internal::CaptureStderr();
    auto destroyer = pool->submit([&may_go, owned = std::move(last)]() mutable {
        may_go.wait();
        owned.reset();
    });
    auto behind = pool->submit([] { return 7; });
    may_go.set();
    destroyer.get();
    EXPECT_EQ(behind.get(), 7);
    EXPECT_NE(testing::internal::GetCapturedStderr().find("destroyed by one of its own jobs"), std::string::npos);
}

TEST(thread_pool, exception_that_nobody_looks_at_is_reported) {
    testing::internal::CaptureStderr();
    {
        thread_pool_executor pool({.max_workers = 1});
        pool.submit([] { throw std::runtime_error("unseen"); });
        auto seen = pool.submit([] { throw std::runtime_error("seen in time"); });
        EXPECT_THROW(seen.get(), std::runtime_error);
        pool.execute([] { throw std::logic_error("of nobody"); });
    }
    std::string const said = testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find("std::runtime_error: unseen"), std::string::npos) << said;
    EXPECT_NE(said.find("std::logic_error: of nobody"), std::string::npos) << said;
    EXPECT_EQ(said.find("seen in time"), std::string::npos) << said;
}

TEST(thread_pool, job_that_no_thread_can_be_started_for_fails_and_a_later_one_does_not) {
    thread_pool_executor pool({.max_workers = 2});
    {
        no_threads const none;
        auto refused = pool.submit([] { ADD_FAILURE() << "runs"; });
        EXPECT_THROW(refused.get(), std::system_error);
    }
    EXPECT_EQ(pool.submit([] { return 1; }).get(), 1);
}

TEST(thread_pool, threads_that_exist_do_the_work_when_no_other_can_be_started) {
    thread_pool_executor pool({.max_workers = 4});
    event released;
    event started;
    auto first = pool.submit([&] {
        started.set();
        released.wait();
    });
    started.wait();
    std::vector<future<int>> all;
    {
        no_threads const none;
        for (int i = 0; i < 10; ++i) {
            all.push_back(pool.submit([i] { return i; }));
        }
        EXPECT_EQ(pool.stats().threads, 1u);
    }
    released.set();
    int sum = 0;
    for (auto& f : all) {
        sum += f.get();
    }
    EXPECT_EQ(sum, 45);
}

TEST(thread_pool, fork_of_the_program_cannot_use_the_threads_and_does_not_wait_for_them) {
    if (COIR_TSAN) {
        GTEST_SKIP() << "ThreadSanitizer ends a child that starts threads";
    }
    auto used = std::make_unique<thread_pool_executor>(thread_pool_options{.max_workers = 1});
    auto unused = std::make_unique<thread_pool_executor>(thread_pool_options{.max_workers = 1});
    used->submit([] {}).get();
    pid_t const child = ::fork();
    if (child == 0) {
        ::alarm(60);
        int wrong = 1;
        try {
            used->submit([] {}).get();
        } catch (broken_executor const&) {
            wrong = 0;
        }
        used.reset();
        for (int i = 0; i < 3; ++i) {  // its threads are this process's own
            wrong += unused->submit([] { return 2; }).get() == 2 ? 0 : 2;
        }
        unused.reset();
        ::_exit(wrong);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(used->submit([] { return 1; }).get(), 1);
}

}  // namespace
}  // namespace coir
