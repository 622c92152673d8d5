// SPDX-License-Identifier: BSL-1.0
//
// concurrent.futures: executors, their futures, the thread pool; and run_in_executor.

#include "tests/conformance/support.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>

namespace coir {
namespace {

using namespace std::chrono_literals;
using test::settle;

// A pool whose only thread runs a job until it is let go.
struct busy_pool {
    event started;
    event released;
    thread_pool_executor pool{{.max_workers = 1}};
    future<int> first;

    busy_pool()
        : first(pool.submit([this] {
              started.set();
              released.wait();
              return 1;
          })) {
        started.wait();
    }
    busy_pool(busy_pool const&) = delete;
    busy_pool& operator=(busy_pool const&) = delete;
    ~busy_pool() { released.set(); }
};

void wait_until_idle(thread_pool_executor const& pool) {
    while (pool.stats().idle_threads != pool.stats().threads) {
        std::this_thread::yield();
    }
}

// --- submit ------------------------------------------------------------------------------------------------------------

COIR_CONFORMS_ANYWHERE(executors, submit_runs_a_function_and_gives_a_future) {
    thread_pool_executor pool({.max_workers = 2});
    auto sum = pool.submit([](int a, int b) { return a + b; }, 3, 4);
    EXPECT_EQ(sum.get(), 7);
    auto where = pool.submit([] { return std::this_thread::get_id(); });
    EXPECT_NE(where.get(), std::this_thread::get_id());
}

COIR_CONFORMS_ANYWHERE(executors, future_raises_what_the_function_raises) {
    thread_pool_executor pool({.max_workers = 1});
    auto f = pool.submit([] { throw std::out_of_range("job"); });
    f.wait();
    EXPECT_EQ(test::message_of(f.exception()), "job");
    EXPECT_THROW(f.get(), std::out_of_range);
}

COIR_CONFORMS_ANYWHERE(executors, cancel_takes_a_job_that_waits_out_of_the_queue) {
    std::atomic<bool> ran{false};
    {
        busy_pool busy;
        auto f = busy.pool.submit([&] { ran = true; });
        EXPECT_TRUE(f.cancel());
        EXPECT_TRUE(f.cancelled());
        EXPECT_THROW(f.get(), cancelled);
    }
    EXPECT_FALSE(ran);
}

COIR_CONFORMS_ANYWHERE(executors, cancel_of_a_job_that_runs) {
    event started;
    event released;
    std::atomic<bool> ended{false};
    {
        thread_pool_executor pool({.max_workers = 1});
        auto f = pool.submit([&] {
            started.set();
            released.wait();
            ended = true;
        });
        started.wait();
        EXPECT_TRUE(f.cancel());
        EXPECT_THROW(f.get(), cancelled);
        EXPECT_FALSE(ended);
        released.set();
    }
    EXPECT_TRUE(ended);
}

COIR_CONFORMS_ANYWHERE(executors, cancel_of_a_job_that_has_run) {
    thread_pool_executor pool({.max_workers = 1});
    auto f = pool.submit([] { return 5; });
    f.wait();
    EXPECT_FALSE(f.cancel());
    EXPECT_EQ(f.get(), 5);
}

COIR_CONFORMS_ANYWHERE_IN_REAL_TIME(executors, result_may_be_waited_for_so_long) {
    busy_pool busy;
    EXPECT_EQ(busy.first.wait_for(1ms), std::future_status::timeout);
    EXPECT_FALSE(busy.first.done());
    busy.released.set();
    EXPECT_EQ(busy.first.wait_for(1h), std::future_status::ready);
    EXPECT_EQ(busy.first.get(), 1);
}

COIR_CONFORMS(executors, callbacks_of_a_job) {
    thread_pool_executor pool({.max_workers = 1});
    promise<std::string> seen;
    auto name = seen.get_future();
    auto f = pool.submit([] { return 5; });
    f.on_done([&] { seen.set_value(current_task().name()); });  // throws on a thread of the pool
    EXPECT_FALSE(name.get().empty());
    EXPECT_EQ(f.get(), 5);
}

// --- several -----------------------------------------------------------------------------------------------------------

COIR_CONFORMS_ANYWHERE(executors, wait_tells_done_from_not_done) {
    busy_pool busy;
    thread_pool_executor other({.max_workers = 1});
    std::vector<future<int>> futures;
    futures.push_back(std::move(busy.first));
    futures.push_back(other.submit([] { return 2; }));
    auto const first = coir::wait(futures, {.return_when = return_when::first_completed});
    EXPECT_EQ(first.done.size(), 1u);
    EXPECT_EQ(&first.done.front().get(), &futures[1]);
    EXPECT_EQ(coir::wait(futures, {.timeout = 0s}).pending.size(), 1u);
    busy.released.set();
    EXPECT_EQ(coir::wait(futures).done.size(), 2u);
}

COIR_CONFORMS_ANYWHERE(executors, as_completed_gives_futures_that_are_done_first) {
    busy_pool busy;
    thread_pool_executor other({.max_workers = 1});
    std::vector<future<int>> futures;
    futures.push_back(std::move(busy.first));
    futures.push_back(other.submit([] { return 2; }));
    std::vector<int> order;
    for (future<int>& f : as_completed(futures)) {
        order.push_back(f.get());
        busy.released.set();
    }
    EXPECT_EQ(order, (std::vector<int>{2, 1}));
}

// --- map ---------------------------------------------------------------------------------------------------------------

COIR_CONFORMS_ANYWHERE(executors, map_gives_results_in_the_order_of_the_inputs) {
    thread_pool_executor pool({.max_workers = 3});
    std::vector<int> results;
    for (int const result : pool.map([](int x) { return x * x; }, std::vector<int>{3, 1, 2})) {
        results.push_back(result);
    }
    EXPECT_EQ(results, (std::vector<int>{9, 1, 4}));
}

COIR_CONFORMS_ANYWHERE(executors, map_over_several_inputs) {
    thread_pool_executor pool({.max_workers = 2});
    std::vector<int> results;
    auto const add = [](std::pair<int, int> const& both) { return both.first + both.second; };
    for (int const result : pool.map(add, std::vector<std::pair<int, int>>{{1, 10}, {2, 20}})) {
        results.push_back(result);
    }
    EXPECT_EQ(results, (std::vector<int>{11, 22}));
}

generator<int> numbers_up_to(int end, int& made) {
    return generator<int>([end, &made](auto& yield) {
        for (int i = 0; i < end; ++i) {
            ++made;
            yield(i);
        }
    });
}

COIR_CONFORMS_ANYWHERE(executors, map_reads_its_inputs_at_once) {
    thread_pool_executor pool({.max_workers = 1});
    int made = 0;
    auto numbers = numbers_up_to(6, made);
    auto const results = pool.map([](int x) { return x; }, numbers);
    EXPECT_EQ(made, 6);
}

COIR_CONFORMS_ANYWHERE(executors, map_with_a_buffer_reads_as_results_are_taken) {
    thread_pool_executor pool({.max_workers = 1});
    int made = 0;
    auto numbers = numbers_up_to(6, made);
    auto results = pool.map([](int x) { return x; }, numbers, {.buffer_size = 2});
    EXPECT_LE(made, 3);
    int expected = 0;
    for (int const result : results) {
        EXPECT_EQ(result, expected);
        ++expected;
        EXPECT_LE(made, expected + 3);
    }
    EXPECT_EQ(expected, 6);
    EXPECT_EQ(made, 6);
}

COIR_CONFORMS_ANYWHERE(executors, map_raises_when_the_turn_of_the_failure_comes) {
    thread_pool_executor pool({.max_workers = 2});
    auto results =
        pool.map([](int x) { return x != 0 ? x : throw std::out_of_range("zero"); }, std::vector<int>{1, 0, 2});
    auto at = results.begin();
    EXPECT_EQ(*at, 1);
    ++at;
    EXPECT_THROW(*at, std::out_of_range);
}

COIR_CONFORMS_ANYWHERE(executors, results_of_a_map_behind_a_failure) {
    thread_pool_executor pool({.max_workers = 2});
    auto results = pool.map([](int x) { return x != 0 ? x : throw std::out_of_range("zero"); }, std::vector<int>{0, 2});
    auto at = results.begin();
    EXPECT_THROW(*at, std::out_of_range);
    ++at;
    EXPECT_EQ(*at, 2);
    ++at;
    EXPECT_TRUE(at == results.end());
}

COIR_CONFORMS_ANYWHERE(executors, map_that_is_dropped_cancels_the_rest) {
    std::atomic<int> ran{0};
    {
        busy_pool busy;
        {
            auto const results = busy.pool.map(
                [&](int x) {
                    ++ran;
                    return x;
                },
                std::vector<int>{1, 2, 3});
            EXPECT_EQ(busy.pool.stats().queued, 3u);
        }
        EXPECT_EQ(busy.pool.stats().queued, 0u);
    }
    EXPECT_EQ(ran, 0);
}

COIR_CONFORMS_IN_REAL_TIME(executors, map_within_a_time) {
    busy_pool busy;
    auto results = busy.pool.map([](int x) { return x; }, std::vector<int>{1, 2});
    EXPECT_THROW(with_timeout(1ms, [&] { return *results.begin(); }), timeout_error);
}

// --- shutdown ----------------------------------------------------------------------------------------------------------

COIR_CONFORMS_ANYWHERE(executors, shutdown_waits_for_the_jobs) {
    std::atomic<int> ran{0};
    thread_pool_executor pool({.max_workers = 1});
    for (int i = 0; i < 20; ++i) {
        pool.submit([&] { ++ran; });
    }
    pool.shutdown();
    EXPECT_EQ(ran, 20);
    EXPECT_EQ(pool.stats().threads, 0u);
}

COIR_CONFORMS_ANYWHERE(executors, leaving_the_block_of_an_executor_shuts_it_down) {
    std::atomic<int> ran{0};
    {
        thread_pool_executor pool({.max_workers = 1});
        for (int i = 0; i < 20; ++i) {
            pool.submit([&] { ++ran; });
        }
    }
    EXPECT_EQ(ran, 20);
}

COIR_CONFORMS_ANYWHERE(executors, shutdown_need_not_wait) {
    busy_pool busy;
    auto waits = busy.pool.submit([] { return 2; });
    busy.pool.shutdown({.wait = false});
    EXPECT_FALSE(busy.first.done());
    busy.released.set();
    EXPECT_EQ(waits.get(), 2);
}

COIR_CONFORMS_ANYWHERE(executors, shutdown_may_cancel_what_waits) {
    busy_pool busy;
    auto waits = busy.pool.submit([] { return 2; });
    busy.pool.shutdown({.wait = false, .cancel_pending = true});
    EXPECT_THROW(waits.get(), cancelled);
    EXPECT_FALSE(busy.first.done());
    busy.released.set();
    EXPECT_EQ(busy.first.get(), 1);
}

COIR_CONFORMS_ANYWHERE(executors, submit_after_shutdown_is_an_error) {
    thread_pool_executor pool({.max_workers = 1});
    pool.shutdown();
    EXPECT_THROW(pool.submit([] {}), executor_shut_down);
}

// --- threads -----------------------------------------------------------------------------------------------------------

COIR_CONFORMS_ANYWHERE(executors, threads_are_started_when_they_are_needed) {
    thread_pool_executor pool({.max_workers = 4});
    EXPECT_EQ(pool.stats().threads, 0u);
    pool.submit([] {}).get();
    EXPECT_EQ(pool.stats().threads, 1u);
}

COIR_CONFORMS_ANYWHERE(executors, idle_threads_are_used_before_new_ones_and_stay) {
    thread_pool_executor pool({.max_workers = 4});
    std::set<std::thread::id> seen;
    for (int i = 0; i < 10; ++i) {
        seen.insert(pool.submit([] { return std::this_thread::get_id(); }).get());
        wait_until_idle(pool);
    }
    EXPECT_EQ(seen.size(), 1u);
    EXPECT_EQ(pool.stats().threads, 1u);
}

COIR_CONFORMS_ANYWHERE(executors, pool_has_so_many_threads_and_no_more) {
    event released;
    thread_pool_executor pool({.max_workers = 3});
    for (int i = 0; i < 10; ++i) {
        pool.submit([&] { released.wait(); });
    }
    EXPECT_EQ(pool.stats().threads, 3u);
    released.set();
}

COIR_CONFORMS_ANYWHERE(executors, usual_number_of_threads) {
    std::size_t const processors = runtime(runtime_options{}).stats().workers;
    event released;
    thread_pool_executor usual;
    for (int i = 0; i < 60; ++i) {
        usual.submit([&] { released.wait(); });
    }
    EXPECT_EQ(usual.stats().threads, std::min<std::size_t>(processors + 4, 32));
    released.set();
}

COIR_CONFORMS_ANYWHERE(executors, threads_have_names) {
    thread_pool_executor pool({.max_workers = 1, .thread_name_prefix = "mine"});
    auto name = pool.submit([] {
        char text[16] = "";
        ::pthread_getname_np(::pthread_self(), text, sizeof text);
        return std::string(text);
    });
    EXPECT_EQ(name.get().rfind("mine", 0), 0u);
}

COIR_CONFORMS_ANYWHERE(executors, initializer_runs_first_in_each_thread) {
    static thread_local bool is_ready = false;
    thread_pool_executor pool({.max_workers = 3, .initializer = [] { is_ready = true; }});
    latch all(3);
    std::vector<future<bool>> jobs;
    for (int i = 0; i < 3; ++i) {
        jobs.push_back(pool.submit([&] {
            all.arrive_and_wait();  // so that each has a thread of its own
            return is_ready;
        }));
    }
    for (auto& job : jobs) {
        EXPECT_TRUE(job.get());
    }
    EXPECT_FALSE(is_ready);
}

COIR_CONFORMS_ANYWHERE(executors, initializer_that_fails_breaks_the_pool) {
    thread_pool_executor pool({.max_workers = 1, .initializer = [] { throw std::runtime_error("initializer"); }});
    EXPECT_THROW(pool.submit([] {}).get(), broken_executor);
    EXPECT_THROW(pool.submit([] {}).get(), broken_executor);
}

// The one that waits has the only thread. Its clock is the system's, whatever that of the task is.
COIR_CONFORMS_ANYWHERE(executors, job_that_waits_for_its_own_pool) {
    thread_pool_executor pool({.max_workers = 1});
    future<int> inner;
    auto outer = pool.submit([&] {
        inner = pool.submit([] { return 5; });
        return inner.wait_for(1ms);
    });
    EXPECT_EQ(outer.get(), std::future_status::timeout);
    EXPECT_EQ(inner.get(), 5);
}

// --- from tasks --------------------------------------------------------------------------------------------------------

COIR_CONFORMS(executors, run_in_executor_takes_the_default_one_or_another) {
    EXPECT_EQ(run_in_executor([](int x) { return x + 1; }, 4).get(), 5);
    thread_pool_executor pool({.max_workers = 1});
    EXPECT_EQ(run_in_executor(
                  pool, [](int x) { return x + 1; }, 5)
                  .get(),
              6);
    EXPECT_EQ(pool.stats().submitted, 1u);
}

COIR_CONFORMS(executors, cancelled_task_takes_its_job_out_of_the_queue) {
    std::atomic<bool> ran{false};
    {
        busy_pool busy;
        auto caller = spawn([&] { run_in_executor(busy.pool, [&] { ran = true; }).get(); });
        settle();
        caller.cancel();
        EXPECT_THROW(caller.get(), cancelled);
        EXPECT_EQ(busy.pool.stats().queued, 0u);
    }
    EXPECT_FALSE(ran);
}

COIR_CONFORMS(executors, job_that_runs_goes_on_when_its_task_is_cancelled) {
    event started;
    event released;
    std::atomic<bool> ended{false};
    {
        thread_pool_executor pool({.max_workers = 1});
        auto caller = spawn([&] {
            run_in_executor(pool, [&] {
                started.set();
                released.wait();
                ended = true;
            }).get();
        });
        started.wait();
        settle();
        caller.cancel();
        EXPECT_THROW(caller.get(), cancelled);
        EXPECT_FALSE(ended);
        released.set();
    }
    EXPECT_TRUE(ended);
}

class runs_at_once final : public executor {
public:
    ~runs_at_once() override { shutdown(); }
    void execute(job work) override { work.run(); }
};

COIR_CONFORMS(executors, default_executor_may_be_of_any_kind) {
    auto const own = std::make_shared<runs_at_once>();
    set_default_executor(own);
    EXPECT_EQ(to_thread([] { return 5; }), 5);
    EXPECT_EQ(own->stats().submitted, 1u);
}

}  // namespace
}  // namespace coir
