// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/task.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/future.hpp>

#include <future>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;

static_assert(!std::is_copy_constructible_v<task<int>>);
static_assert(std::is_nothrow_move_constructible_v<task<int>>);

TEST(task_handle, second_get_throws_invalid_state) {
    on_one_and_four_workers([] {
        auto t = spawn([] { return 1; });
        EXPECT_EQ(t.get(), 1);
        EXPECT_THROW(t.get(), invalid_state);
    });
}

TEST(task_handle, second_get_of_void_throws_invalid_state) {
    on_one_and_four_workers([] {
        auto t = spawn([] {});
        t.get();
        EXPECT_THROW(t.get(), invalid_state);
    });
}

TEST(task_handle, exception_is_rethrown_each_time) {
    on_one_and_four_workers([] {
        auto t = spawn([]() -> int { throw std::runtime_error("broken"); });
        for (int i = 0; i < 3; ++i) {
            try {
                t.get();
                ADD_FAILURE();
            } catch (std::runtime_error const& e) {
                EXPECT_STREQ(e.what(), "broken");
            }
        }
    });
}

TEST(task_handle, keeps_the_type_of_a_foreign_exception) {
    on_one_and_four_workers([] {
        auto t = spawn([] { throw 17; });
        EXPECT_THROW(t.get(), int);
    });
}

TEST(task_handle, wait_does_not_throw_the_exception_of_the_task) {
    on_one_and_four_workers([] {
        auto t = spawn([] { throw std::runtime_error("broken"); });
        EXPECT_NO_THROW(t.wait());
        EXPECT_TRUE(t.done());
        EXPECT_THROW(t.get(), std::runtime_error);
    });
}

TEST(task_handle, exception_gives_the_exception_or_null) {
    on_one_and_four_workers([] {
        auto good = spawn([] {});
        auto bad = spawn([] { throw std::runtime_error("broken"); });
        good.wait();
        bad.wait();
        EXPECT_EQ(good.exception(), nullptr);
        ASSERT_NE(bad.exception(), nullptr);
        EXPECT_THROW(std::rethrow_exception(bad.exception()), std::runtime_error);
        good.get();
    });
}

TEST(task_handle, exception_of_a_running_task_throws_invalid_state) {
    on_one_and_four_workers([] {
        promise<void> go;
        auto t = spawn([f = go.get_future()]() mutable { f.get(); });
        EXPECT_THROW(t.exception(), invalid_state);
        go.set_value();
        t.get();
    });
}

TEST(task_handle, exception_of_a_cancelled_task_throws_cancelled) {
    on_one_and_four_workers([] {
        auto t = spawn(test::sleep_forever);
        t.cancel();
        t.wait();
        EXPECT_THROW(t.exception(), cancelled);
    });
}

TEST(task_handle, wait_for_says_ready_or_timeout) {
    on_one_and_four_workers([] {
        promise<void> go;
        auto t = spawn([f = go.get_future()]() mutable { f.get(); });
        EXPECT_EQ(t.wait_for(k_a_moment), std::future_status::timeout);
        EXPECT_EQ(t.wait_until(clock::now()), std::future_status::timeout);
        EXPECT_FALSE(t.done());
        go.set_value();
        EXPECT_EQ(t.wait_for(test::k_long_time), std::future_status::ready);
        EXPECT_EQ(t.wait_until(clock::now() + test::k_long_time), std::future_status::ready);
        EXPECT_EQ(t.wait_for(std::chrono::hours::max()), std::future_status::ready);
        EXPECT_EQ(t.wait_for(std::chrono::seconds(0)), std::future_status::ready);
        t.get();
    });
}

TEST(task_handle, wait_for_the_longest_duration_waits) {
    on_one_and_four_workers([] {
        auto t = spawn([] { sleep(k_a_moment); });
        EXPECT_EQ(t.wait_for(std::chrono::hours::max()), std::future_status::ready);
    });
}

TEST(task_handle, timed_out_wait_cancels_nothing) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto t = spawn([f = p.get_future()]() mutable { return f.get(); });
        EXPECT_EQ(t.wait_for(k_a_moment), std::future_status::timeout);
        EXPECT_EQ(t.cancelling(), 0u);
        p.set_value(5);
        EXPECT_EQ(t.get(), 5);
    });
}

TEST(task_handle, detached_handle_is_empty_and_the_task_runs_on) {
    on_one_and_four_workers([] {
        std::atomic<bool> ended{false};
        auto t = spawn([&] { ended = true; });
        EXPECT_TRUE(t.valid());
        t.detach();
        EXPECT_FALSE(t.valid());
        EXPECT_THROW(t.get(), invalid_state);
        EXPECT_THROW(t.wait(), invalid_state);
        EXPECT_THROW(t.cancel(), invalid_state);
        test::yield_until([&] { return ended.load(); });
    });
}

TEST(task_handle, moving_empties_the_source) {
    on_one_and_four_workers([] {
        auto a = spawn([] { return 3; });
        auto b = std::move(a);
        EXPECT_FALSE(a.valid());  // NOLINT(bugprone-use-after-move): that is the question
        EXPECT_EQ(b.get(), 3);
    });
}

TEST(task_handle, ids_are_unique_and_names_follow_them) {
    on_one_and_four_workers([] {
        std::vector<task<void>> tasks;
        std::set<std::uint64_t> ids;
        for (int i = 0; i < 10'000; ++i) {
            tasks.push_back(spawn([] {}));
            ids.insert(tasks.back().id());
        }
        EXPECT_EQ(ids.size(), tasks.size());
        EXPECT_EQ(tasks[0].name(), "task-" + std::to_string(tasks[0].id()));
        for (auto& t : tasks) {
            t.wait();
        }
    });
}

TEST(task_handle, name_can_be_set) {
    on_one_and_four_workers([] {
        auto const t = spawn([] {});
        t.set_name("writer");
        EXPECT_EQ(t.name(), "writer");
        t.wait();
        EXPECT_EQ(t.name(), "writer");
    });
}

TEST(task_handle, can_be_used_from_plain_threads) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto t = spawn([f = p.get_future()]() mutable { return f.get(); });
        std::thread outside([&] {
            EXPECT_EQ(t.wait_for(k_a_moment), std::future_status::timeout);
            EXPECT_FALSE(t.done());
            p.set_value(8);
            EXPECT_EQ(t.get(), 8);
        });
        t.wait();
        outside.join();
    });
}

TEST(task_handle, plain_thread_rethrows_the_exception) {
    runtime rt(runtime_options{.workers = 2});
    auto t = rt.spawn([]() -> int { throw std::runtime_error("broken"); });
    EXPECT_THROW(t.get(), std::runtime_error);
    EXPECT_THROW(t.get(), std::runtime_error);
}

TEST(task_handle, plain_thread_can_cancel) {
    runtime rt(runtime_options{.workers = 2});
    auto t = rt.spawn(test::sleep_forever);
    test::yield_until_waiting(t);
    EXPECT_TRUE(t.cancel());
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_TRUE(t.cancelled());
    EXPECT_FALSE(t.cancel());
}

TEST(task_handle, outlives_the_runtime_with_its_value) {
    auto t = run([] { return spawn([] { return std::string("kept"); }); });
    EXPECT_TRUE(t.done());
    if (t.cancelled()) {
        EXPECT_THROW(t.get(), cancelled);  // the shutdown came first
    } else {
        EXPECT_EQ(t.get(), "kept");
    }
}

TEST(task_handle, awaiting_a_task_of_another_runtime_works) {
    runtime other(runtime_options{.workers = 1});
    on_one_and_four_workers([&] {
        auto there = other.spawn([] {
            sleep(k_a_moment);
            return 4;
        });
        EXPECT_EQ(there.get(), 4);
    });
}

TEST(task_handle, many_tasks_may_wait_for_one) {
    on_one_and_four_workers([] {
        promise<void> go;
        auto one = spawn([f = go.get_future()]() mutable { f.get(); });
        std::atomic<int> seen{0};
        std::vector<task<void>> waiters;
        for (int i = 0; i < 100; ++i) {
            waiters.push_back(spawn([&] {
                one.wait();
                EXPECT_TRUE(one.done());
                seen.fetch_add(1);
            }));
        }
        yield();
        go.set_value();
        for (auto& w : waiters) {
            w.get();
        }
        EXPECT_EQ(seen.load(), 100);
    });
}

}  // namespace
}  // namespace coir
