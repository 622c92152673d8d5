// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/future.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;

static_assert(!std::is_copy_constructible_v<future<int>>);
static_assert(std::is_copy_constructible_v<shared_future<int>>);

TEST(future, gets_what_the_promise_sets) {
    on_one_and_four_workers([] {
        promise<std::string> p;
        auto f = p.get_future();
        auto t = spawn([&] { return f.get(); });
        yield();
        p.set_value("set");
        EXPECT_EQ(t.get(), "set");
    });
}

TEST(future, result_that_is_set_first_is_there_at_once) {
    promise<int> p;
    auto f = p.get_future();
    p.set_value(3);
    EXPECT_TRUE(f.done());
    EXPECT_EQ(f.get(), 3);
}

TEST(future, works_without_any_runtime) {
    promise<int> p;
    auto f = p.get_future();
    std::thread setter([&] { p.set_value(11); });
    EXPECT_EQ(f.get(), 11);
    setter.join();
}

TEST(future, wakes_a_task_from_a_plain_thread) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto f = p.get_future();
        auto t = spawn([&] { return f.get(); });
        test::yield_until_waiting(t);
        std::thread setter([&] { p.set_value(11); });
        EXPECT_EQ(t.get(), 11);
        setter.join();
    });
}

TEST(future, wakes_a_plain_thread_from_a_task) {
    promise<int> p;
    auto f = p.get_future();
    runtime rt(runtime_options{.workers = 1});
    rt.spawn([&] { p.set_value(12); });
    EXPECT_EQ(f.get(), 12);
}

TEST(future, second_get_throws_invalid_state) {
    promise<int> p;
    auto f = p.get_future();
    p.set_value(1);
    f.get();
    EXPECT_THROW(f.get(), invalid_state);
}

TEST(future, exception_is_rethrown_each_time) {
    promise<int> p;
    auto f = p.get_future();
    p.set_exception(std::make_exception_ptr(std::runtime_error("broken")));
    EXPECT_THROW(f.get(), std::runtime_error);
    EXPECT_THROW(f.get(), std::runtime_error);
    EXPECT_NE(f.exception(), nullptr);
}

TEST(future, may_be_set_in_braces) {
    struct point {
        int x, y;
    };
    promise<point> p;
    p.set_value({1, 2});
    EXPECT_EQ(p.get_future().get().y, 2);
    promise<std::vector<int>> v;
    EXPECT_TRUE(v.try_set_value({1, 2, 3}));
    EXPECT_EQ(v.get_future().get().size(), 3u);
}

TEST(future, second_set_throws_invalid_state) {
    promise<int> p;
    auto f = p.get_future();
    EXPECT_TRUE(p.try_set_value(1));
    EXPECT_FALSE(p.try_set_value(2));
    EXPECT_THROW(p.set_value(3), invalid_state);
    EXPECT_THROW(p.set_exception(std::make_exception_ptr(1)), invalid_state);
    EXPECT_EQ(f.get(), 1);
}

TEST(future, can_be_taken_once) {
    promise<int> p;
    auto f = p.get_future();
    EXPECT_THROW(p.get_future(), invalid_state);
}

TEST(future, moved_from_promise_throws_invalid_state) {
    promise<int> p;
    promise<int> q = std::move(p);
    EXPECT_THROW(p.set_value(1), invalid_state);  // NOLINT(bugprone-use-after-move): that is the question
    q.set_value(1);
}

TEST(future, abandoned_promise_breaks_it) {
    future<int> f;
    {
        promise<int> p;
        f = p.get_future();
    }
    EXPECT_THROW(f.get(), broken_promise);
}

TEST(future, overwritten_promise_breaks_it) {
    promise<int> p;
    auto f = p.get_future();
    p = promise<int>();
    EXPECT_THROW(f.get(), broken_promise);
}

TEST(future, abandoned_promise_wakes_who_waits) {
    on_one_and_four_workers([] {
        auto p = std::make_unique<promise<int>>();
        auto f = p->get_future();
        auto t = spawn([&] { EXPECT_THROW(f.get(), broken_promise); });
        test::yield_until_waiting(t);
        p.reset();
        t.get();
    });
}

TEST(future, promise_with_its_value_may_go_first) {
    future<int> f;
    {
        promise<int> p;
        f = p.get_future();
        p.set_value(2);
    }
    EXPECT_EQ(f.get(), 2);
}

TEST(future, cancel_completes_it) {
    promise<int> p;
    auto f = p.get_future();
    EXPECT_TRUE(f.cancel("no need"));
    EXPECT_TRUE(f.done());
    EXPECT_TRUE(f.cancelled());
    EXPECT_TRUE(p.cancelled());
    EXPECT_FALSE(p.try_set_value(1));
    EXPECT_THROW(p.set_value(1), invalid_state);
    try {
        f.get();
        ADD_FAILURE();
    } catch (cancelled const& c) {
        EXPECT_EQ(c.reason(), "no need");
    }
    EXPECT_THROW(f.exception(), cancelled);
}

TEST(future, cancel_after_the_result_changes_nothing) {
    promise<int> p;
    auto f = p.get_future();
    p.set_value(6);
    EXPECT_FALSE(f.cancel());
    EXPECT_FALSE(f.cancelled());
    EXPECT_EQ(f.get(), 6);
}

TEST(future, wait_for_says_ready_or_timeout) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto f = p.get_future();
        EXPECT_EQ(f.wait_for(k_a_moment), std::future_status::timeout);
        EXPECT_EQ(f.wait_for(std::chrono::seconds(-1)), std::future_status::timeout);
        EXPECT_THROW(f.exception(), invalid_state);
        p.set_value(1);
        EXPECT_EQ(f.wait_for(std::chrono::hours::max()), std::future_status::ready);
        EXPECT_EQ(f.wait_until(clock::now()), std::future_status::ready);
        EXPECT_EQ(f.exception(), nullptr);
    });
}

TEST(future, wait_for_on_a_plain_thread_times_out) {
    promise<int> p;
    auto f = p.get_future();
    EXPECT_EQ(f.wait_for(k_a_moment), std::future_status::timeout);
}

TEST(future, carries_void_references_move_only_and_large_values) {
    promise<void> nothing;
    nothing.set_value();
    nothing.get_future().get();

    int x = 0;
    promise<int&> reference;
    reference.set_value(x);
    EXPECT_EQ(&reference.get_future().get(), &x);

    promise<std::unique_ptr<int>> owner;
    owner.set_value(std::make_unique<int>(4));
    EXPECT_EQ(*owner.get_future().get(), 4);

    struct large {
        char bytes[4096] = {};
    };
    promise<large> big;
    large value;
    value.bytes[4095] = 'x';
    big.set_value(value);
    EXPECT_EQ(big.get_future().get().bytes[4095], 'x');
}

TEST(future, value_whose_construction_throws_becomes_that_exception) {
    struct throws_on_copy {
        throws_on_copy() = default;
        throws_on_copy(throws_on_copy const&) { throw std::runtime_error("copy"); }
    };
    promise<throws_on_copy> p;
    auto f = p.get_future();
    throws_on_copy const value;
    p.set_value(value);
    EXPECT_THROW(f.get(), std::runtime_error);
}

TEST(future, empty_handle_throws_invalid_state) {
    future<int> f;
    EXPECT_FALSE(f.valid());
    EXPECT_THROW(f.get(), invalid_state);
    EXPECT_THROW(f.wait(), invalid_state);
    EXPECT_THROW((void)f.done(), invalid_state);
}

TEST(shared_future, gives_the_same_value_to_everybody) {
    on_one_and_four_workers([] {
        promise<std::string> p;
        auto f = p.get_future();
        shared_future<std::string> const shared = f.share();
        EXPECT_FALSE(f.valid());
        std::vector<task<std::string const*>> readers;
        for (int i = 0; i < 10; ++i) {
            readers.push_back(spawn([shared] { return &shared.get(); }));
        }
        p.set_value("for all");
        for (auto& r : readers) {
            EXPECT_EQ(r.get(), &shared.get());
        }
        EXPECT_EQ(shared.get(), "for all");
    });
}

TEST(shared_future, rethrows_to_everybody) {
    promise<int> p;
    auto const shared = p.get_future().share();
    auto const copy = shared;
    p.set_exception(std::make_exception_ptr(std::runtime_error("broken")));
    EXPECT_THROW(shared.get(), std::runtime_error);
    EXPECT_THROW(copy.get(), std::runtime_error);
}

TEST(shared_future, carries_void_and_references) {
    promise<void> nothing;
    auto const done = nothing.get_future().share();
    nothing.set_value();
    done.get();
    done.get();

    int x = 0;
    promise<int&> reference;
    auto const shared = reference.get_future().share();
    reference.set_value(x);
    EXPECT_EQ(&shared.get(), &x);
    EXPECT_EQ(&shared.get(), &x);
}

}  // namespace
}  // namespace coir
