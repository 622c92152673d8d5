// SPDX-License-Identifier: BSL-1.0
//
// The base class: executors of the user's own, and map().

#include "tests/support/running.hpp"

#include <coir/core/task/generator.hpp>
#include <coir/executors/run_in_executor.hpp>
#include <coir/executors/thread_pool.hpp>
#include <coir/sync/event.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

class inline_executor final : public executor {
public:
    void execute(job work) override { work.run(); }
};

// Keeps jobs until told to run them.
class keeping_executor final : public executor {
public:
    ~keeping_executor() override { shutdown({.wait = false}); }
    void execute(job work) override { kept.push_back(std::move(work)); }
    std::vector<job> kept;
};

TEST(executor, needs_nothing_but_execute) {
    on_one_and_four_workers([] {
        inline_executor here;
        EXPECT_EQ(here.submit([](int x) { return x + 1; }, 1).get(), 2);
        auto failing = here.submit([]() -> int { throw std::runtime_error("job"); });
        EXPECT_THROW(failing.get(), std::runtime_error);
        EXPECT_EQ(here.stats().submitted, 2u);
        EXPECT_EQ(here.stats().completed, 2u);
        here.shutdown();
        EXPECT_THROW(here.submit([] {}), executor_shut_down);
    });
}

TEST(executor, job_that_is_dropped_breaks_its_promise) {
    on_one_and_four_workers([] {
        keeping_executor keeper;
        auto dropped = keeper.submit([] { ADD_FAILURE() << "runs"; });
        EXPECT_EQ(keeper.stats().queued, 1u);
        keeper.kept.clear();
        EXPECT_THROW(dropped.get(), broken_promise);
        EXPECT_EQ(keeper.stats().cancelled, 1u);
    });
}

TEST(executor, shutdown_waits_for_jobs_that_were_handed_out) {
    on_one_and_four_workers([] {
        keeping_executor keeper;
        auto kept = keeper.submit([] { return 1; });
        auto closing = spawn([&] { keeper.shutdown(); });
        test::yield_until_waiting(closing);
        keeper.kept.back().run();
        closing.get();
        EXPECT_EQ(kept.get(), 1);
        keeper.kept.clear();
    });
}

// Hands its jobs on to another executor.
class forwarding_executor final : public executor {
public:
    explicit forwarding_executor(executor& to) : to_(to) {}
    ~forwarding_executor() override { shutdown(); }
    void execute(job work) override {
        to_.submit([inner = std::move(work)]() mutable { inner.run(); });
    }

private:
    executor& to_;
};

TEST(executor, job_that_was_handed_on_does_not_wait_for_either_executor_to_end) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 1});
        forwarding_executor outer(pool);
        forwarding_executor outermost(static_cast<executor&>(outer));
        for (executor* const one :
             {static_cast<executor*>(&pool), static_cast<executor*>(&outer), static_cast<executor*>(&outermost)}) {
            EXPECT_THROW(outermost.submit([one] { one->shutdown(); }).get(), invalid_state);
        }
        EXPECT_THROW(pool.submit([&] { pool.shutdown(); }).get(), invalid_state);
        outer.submit([&] { outermost.shutdown(); }).get();  // in which nothing runs
    });
}

// Each job in a task of its own.
class spawning_executor final : public executor {
public:
    ~spawning_executor() override { shutdown(); }
    void execute(job work) override {
        spawn([inner = std::move(work)]() mutable { inner.run(); }).detach();
    }
};

TEST(executor, job_in_a_task_does_not_wait_for_its_executor_to_end) {
    on_one_and_four_workers([] {
        spawning_executor spawner;
        inline_executor here;
        for (executor* const one : {static_cast<executor*>(&spawner), static_cast<executor*>(&here)}) {
            EXPECT_THROW(one->submit([one] { one->shutdown(); }).get(), invalid_state);
        }
        // Elsewhere by then, perhaps; and in a job of each.
        EXPECT_THROW(spawner
                         .submit([&] {
                             here.submit([&] {
                                     yield();
                                     spawner.shutdown();
                                 })
                                 .get();
                         })
                         .get(),
                     invalid_state);
        here.submit([&] { yield(); }).get();
        spawner.submit([&] { here.shutdown(); }).get();  // in which nothing runs
        EXPECT_EQ(spawner.submit([] { return 1; }).get(), 1);
        spawner.shutdown();  // not in a job any more
    });
}

TEST(executor, shutdown_waits_for_jobs_in_other_tasks) {
    on_one_and_four_workers([] {
        spawning_executor spawner;
        event released;
        std::vector<future<void>> jobs;
        for (int i = 0; i < 3; ++i) {
            jobs.push_back(spawner.submit([&] { released.wait(); }));
        }
        EXPECT_THROW(spawner.submit([&] { spawner.shutdown(); }).get(), invalid_state);
        auto closing = spawn([&] { spawner.shutdown(); });
        test::yield_until_waiting(closing);
        released.set();
        closing.get();
        EXPECT_EQ(spawner.stats().completed, 4u);
    });
}

TEST(executor, shutdown_can_cancel_what_was_handed_out_and_not_started) {
    on_one_and_four_workers([] {
        keeping_executor keeper;
        auto kept = keeper.submit([] { ADD_FAILURE() << "runs"; });
        keeper.shutdown({.wait = false, .cancel_pending = true});
        keeper.kept.back().run();
        EXPECT_THROW(kept.get(), cancelled);
        keeper.kept.clear();
    });
}

TEST(executor, job_hears_of_a_cancellation_through_its_token_only_if_it_wants_one) {
    keeping_executor keeper;
    auto plain = keeper.submit([](int) {}, 1);
    auto stoppable = keeper.submit([](std::stop_token) {});
    EXPECT_FALSE(keeper.kept[0].stop_token().stop_possible());
    auto const token = keeper.kept[1].stop_token();
    EXPECT_FALSE(token.stop_requested());
    stoppable.cancel();
    EXPECT_TRUE(token.stop_requested());
    EXPECT_TRUE(keeper.kept[1].is_cancelled());
    keeper.kept.clear();
    EXPECT_THROW(plain.get(), broken_promise);
}

// Can be called with a token and without.
struct with_and_without_token {
    bool operator()(int) const { return false; }
    bool operator()(std::stop_token const& stop, int) const { return stop.stop_possible(); }
};

TEST(executor, function_gets_a_stop_token_if_it_takes_one_first) {
    on_one_and_four_workers([] {
        inline_executor here;
        auto const by_default = [](std::stop_token const& stop = {}) { return stop.stop_possible(); };
        EXPECT_TRUE(here.submit(by_default).get());
        EXPECT_TRUE(run_in_executor(here, by_default).get());
        EXPECT_TRUE(run_in_executor(by_default).get());
        EXPECT_TRUE(to_thread(by_default));
        auto const of_item = [](std::stop_token const& stop, int) { return stop.stop_possible(); };
        EXPECT_TRUE(here.submit(of_item, 1).get());
        for (bool const has_token : here.map(of_item, std::vector<int>{1, 2})) {
            EXPECT_TRUE(has_token);
        }
    });
}

// Which would not even compile with a token.
TEST(executor, template_or_overload_gets_what_it_was_given) {
    on_one_and_four_workers([] {
        inline_executor here;
        auto const sum = [](auto... all) { return (all + ...); };
        EXPECT_EQ(here.submit(sum, 1, 2).get(), 3);
        EXPECT_EQ(to_thread(sum, 1, 2), 3);
        for (int const each : here.map(sum, std::vector<int>{4, 4})) {
            EXPECT_EQ(each, 4);
        }
        EXPECT_FALSE(here.submit(with_and_without_token(), 1).get());
        for (bool const has_token : here.map(with_and_without_token(), std::vector<int>{1, 2})) {
            EXPECT_FALSE(has_token);
        }
    });
}

TEST(executor_map, running_item_is_asked_to_stop_when_the_results_are_dropped) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 1});
        event started;
        std::atomic<bool> stopped{false};
        {
            auto results = pool.map(
                [&](std::stop_token const& stop, int) {
                    started.set();
                    while (!stop.stop_requested()) {
                        std::this_thread::yield();
                    }
                    stopped = true;
                },
                std::vector<int>(3));
            started.wait();
        }
        pool.shutdown();
        EXPECT_TRUE(stopped);
    });
}

TEST(executor, results_of_every_kind_come_back) {
    thread_pool_executor pool({.max_workers = 2});
    int target = 1;
    EXPECT_EQ(&pool.submit([&]() -> int& { return target; }).get(), &target);
    EXPECT_EQ(pool.submit([] { return std::array<char, 4096>{'x'}; }).get()[0], 'x');
    std::array<char, 2048> large{};
    large[2047] = 'y';
    EXPECT_EQ(pool.submit([large] { return large[2047]; }).get(), 'y');
    EXPECT_EQ(*pool.submit([p = std::make_unique<int>(3)]() mutable { return std::move(p); }).get(), 3);
    EXPECT_EQ(pool.submit(&std::string::size, std::string("four")).get(), 4u);
}

TEST(executor_map, gives_results_in_the_order_of_the_items) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 4});
        std::vector<int> const items{5, 1, 4, 2, 3};
        std::vector<int> results;
        for (int r : pool.map([](int x) { return 10 * x; }, items)) {
            results.push_back(r);
        }
        EXPECT_EQ(results, (std::vector<int>{50, 10, 40, 20, 30}));
        EXPECT_TRUE(pool.map([](int x) { return x; }, std::vector<int>{}).begin() == std::default_sentinel);
        int voids = 0;
        for (std::monostate const r : pool.map([](int) {}, items)) {
            static_cast<void>(r);
            ++voids;
        }
        EXPECT_EQ(voids, 5);
    });
}

TEST(executor_map, moves_out_of_a_range_that_it_owns) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 2});
        std::vector<std::unique_ptr<int>> items;
        for (int i = 0; i < 4; ++i) {
            items.push_back(std::make_unique<int>(i));
        }
        int sum = 0;
        for (int r : pool.map([](std::unique_ptr<int> p) { return *p; }, std::move(items), {.buffer_size = 2})) {
            sum += r;
        }
        EXPECT_EQ(sum, 6);
    });
}

TEST(executor_map, gives_items_and_not_what_stands_for_them_in_the_range) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 2});
        std::vector<bool> bits{true, false, true};
        std::vector<bool> seen;
        auto results = pool.map(
            [](auto bit) {
                static_assert(std::is_same_v<decltype(bit), bool>);
                return bit;
            },
            bits);
        bits.assign(3, false);
        for (bool const b : results) {
            seen.push_back(b);
        }
        EXPECT_EQ(seen, (std::vector<bool>{true, false, true}));
    });
}

TEST(executor_map, exception_comes_when_its_turn_does) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 2});
        auto results = pool.map(
            [](int x) {
                if (x == 1) {
                    throw std::runtime_error("one");
                }
                return x;
            },
            std::vector<int>{0, 1, 2});
        auto it = results.begin();
        EXPECT_EQ(*it, 0);
        ++it;
        EXPECT_THROW(*it, std::runtime_error);
        ++it;
        EXPECT_EQ(*it, 2);
        EXPECT_EQ(*it, 2);
        ++it;
        EXPECT_TRUE(it == results.end());
    });
}

TEST(executor_map, submits_no_more_than_its_buffer_holds) {
    keeping_executor keeper;
    std::list<int> const items{1, 2, 3, 4, 5};
    auto results = keeper.map([](int x) { return x; }, items, {.buffer_size = 2});
    EXPECT_EQ(keeper.kept.size(), 2u);
    auto it = results.begin();
    for (std::size_t i = 0; i < 5; ++i) {
        keeper.kept[i].run();
        EXPECT_EQ(*it, static_cast<int>(i) + 1);
        EXPECT_EQ(keeper.kept.size(), std::min<std::size_t>(5, i + 3));
        ++it;
    }
    EXPECT_TRUE(it == results.end());
}

TEST(executor_map, dropping_the_results_cancels_the_rest) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 1});
        event started;
        event released;
        std::atomic<int> ran{0};
        {
            auto results = pool.map(
                [&](int) {
                    ++ran;
                    started.set();
                    released.wait();
                },
                std::vector<int>(10));
            started.wait();
        }
        released.set();
        pool.shutdown();
        EXPECT_EQ(ran, 1);
        EXPECT_EQ(pool.stats().cancelled, 9u);
    });
}

TEST(executor_map, item_that_cannot_be_submitted_fails_in_its_turn) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 1});
        auto results = pool.map([](int x) { return x; }, std::vector<int>{0, 1, 2, 3}, {.buffer_size = 2});
        pool.shutdown();
        auto it = results.begin();
        EXPECT_EQ(*it, 0);
        ++it;
        EXPECT_EQ(*it, 1);
        ++it;
        EXPECT_THROW(*it, executor_shut_down);
        ++it;
        EXPECT_TRUE(it == results.end());
    });
}

TEST(executor_map, range_that_throws_on_its_way_to_an_item_loses_none_before) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 2});
        for (std::size_t const buffer_size : {0u, 1u, 2u, 5u}) {
            auto results = pool.map([](int x) { return x; }, generator<int>([](auto& yield) {
                                        yield(0);
                                        yield(1);
                                        throw std::runtime_error("no more");
                                    }),
                                    {.buffer_size = buffer_size});
            auto it = results.begin();
            EXPECT_EQ(*it, 0);
            ++it;
            EXPECT_EQ(*it, 1);
            ++it;
            EXPECT_THROW(*it, std::runtime_error);
            ++it;
            EXPECT_TRUE(it == results.end());
        }
    });
}

TEST(executor_map, cancellation_in_a_range_that_waits_is_the_readers_and_ends_what_was_submitted) {
    on_one_and_four_workers([] {
        thread_pool_executor pool({.max_workers = 1});
        event busy;
        event released;
        auto const first = pool.submit([&] {
            busy.set();
            released.wait();
        });
        busy.wait();
        event waits;
        std::atomic<int> ran{0};
        auto reader = spawn([&] {
            pool.map([&](int) { ++ran; }, generator<int>([&](auto& yield) {
                         yield(0);
                         waits.set();
                         event().wait();
                     }));
        });
        waits.wait();
        reader.cancel();
        EXPECT_THROW(reader.get(), cancelled);
        released.set();
        pool.shutdown();
        EXPECT_EQ(ran, 0);
    });
}

}  // namespace
}  // namespace coir
