// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/coroutine.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/sleep.hpp>
#include <coir/sync/event.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <coroutine>
#include <exception>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

// Somebody else's coroutine, which starts at once and tells a std::promise of its end.
struct foreign {
    struct promise_type {
        std::promise<int> result;
        foreign get_return_object() { return {result.get_future()}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_value(int value) { result.set_value(value); }
        void unhandled_exception() { result.set_exception(std::current_exception()); }
    };
    std::future<int> result;
};

foreign plus_one(task<int> awaited) {
    co_return co_await awaited + 1;
}
foreign plus_one(future<int> awaited) {
    co_return co_await awaited + 1;
}
foreign sum(shared_future<int> a, shared_future<int> b) {
    co_return co_await a + co_await b;
}
foreign nothing(future<void> awaited) {
    co_await awaited;
    co_return 3;
}

TEST(coroutine_bridge, foreign_coroutine_awaits_a_task) {
    runtime home(runtime_options{.workers = 2});
    event released;
    auto awaited = home.spawn([&] {
        released.wait();
        return 1;
    });
    foreign waiting = plus_one(std::move(awaited));
    released.set();
    EXPECT_EQ(waiting.result.get(), 2);
    EXPECT_EQ(plus_one(home.spawn([] { return 2; })).result.get(), 3);
    EXPECT_THROW(plus_one(home.spawn([]() -> int { throw std::runtime_error("task"); })).result.get(),
                 std::runtime_error);
}

TEST(coroutine_bridge, foreign_coroutine_awaits_futures) {
    promise<int> p;
    foreign waiting = plus_one(p.get_future());
    p.set_value(4);
    EXPECT_EQ(waiting.result.get(), 5);

    promise<int> q;
    auto const shared = q.get_future().share();
    foreign both = sum(shared, shared);
    q.set_value(2);
    EXPECT_EQ(both.result.get(), 4);

    promise<void> v;
    foreign of_void = nothing(v.get_future());
    v.set_value();
    EXPECT_EQ(of_void.result.get(), 3);

    EXPECT_THROW(nothing(future<void>()).result.get(), invalid_state);
    std::optional<promise<int>> broken(std::in_place);
    foreign disappointed = plus_one(broken->get_future());
    broken.reset();
    EXPECT_THROW(disappointed.result.get(), broken_promise);
}

TEST(coroutine_bridge, foreign_coroutine_goes_on_outside_of_the_workers) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto const body = [](future<int> awaited) -> foreign {
            co_await awaited;
            co_return detail::in_a_task() ? 1 : 0;
        };
        foreign waiting = body(p.get_future());
        p.set_value(1);
        EXPECT_EQ(waiting.result.get(), 0);
    });
}

TEST(coroutine_bridge, coroutines_that_block_when_they_go_on_do_not_hold_up_others) {
    constexpr int k_count = 100;
    std::latch all(k_count);
    auto const body = [](shared_future<void> awaited, std::latch& latch) -> foreign {
        co_await awaited;
        latch.arrive_and_wait();
        co_return 1;
    };
    promise<void> p;
    auto const released = p.get_future().share();
    std::vector<foreign> waiting;
    for (int i = 0; i < k_count; ++i) {
        waiting.push_back(body(released, all));
    }
    p.set_value();
    for (auto& w : waiting) {
        EXPECT_EQ(w.result.get(), 1);
    }
}

TEST(coroutine_bridge, coroutine_that_waits_for_a_task_does_not_hold_up_virtual_time) {
    run(runtime_options{.virtual_time = true}, [] {
        auto const body = [](task<int> awaited, promise<int> outcome) -> foreign {
            outcome.set_value(co_await awaited + 1);
            co_return 0;
        };
        auto const start = clock::now();
        promise<int> outcome;
        auto result = outcome.get_future();
        body(spawn([] {
                 sleep(std::chrono::hours(1));
                 return 1;
             }),
             std::move(outcome));
        EXPECT_EQ(result.get(), 2);
        EXPECT_EQ(clock::now() - start, std::chrono::hours(1));
    });
}

struct destroyable {
    struct promise_type {
        destroyable get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
};

TEST(coroutine_bridge, coroutine_that_is_destroyed_while_it_waits_is_forgotten) {
    promise<int> p;
    auto const body = [](future<int> awaited) -> destroyable {
        co_await awaited;
        ADD_FAILURE() << "goes on";
    };
    body(p.get_future()).handle.destroy();
    p.set_value(1);
}

// Resumes whoever awaits it on a thread of its own.
template <class T>
struct on_a_thread {
    T value;
    std::shared_ptr<std::thread> thread = std::make_shared<std::thread>();

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> who) {
        auto const keep = thread;
        *keep = std::thread([who, keep] { who.resume(); });
    }
    T await_resume() { return std::move(value); }
};

struct with_operator {
    int value;
    auto operator co_await() const {
        struct ready {
            int value;
            bool await_ready() const noexcept { return true; }
            void await_suspend(std::coroutine_handle<>) const noexcept {}
            int await_resume() const { return value; }
        };
        return ready{value};
    }
};

struct throwing {
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const { throw std::runtime_error("foreign"); }
};

TEST(await, returns_what_co_await_would) {
    on_one_and_four_workers([] {
        on_a_thread<std::string> slow{"slow"};
        EXPECT_EQ(await(slow), "slow");
        slow.thread->join();
        EXPECT_EQ(await(with_operator{3}), 3);
        EXPECT_THROW(await(throwing{}), std::runtime_error);
        await(std::suspend_never{});
        on_a_thread<std::unique_ptr<int>> moved{std::make_unique<int>(5)};
        EXPECT_EQ(*await(moved), 5);
        moved.thread->join();
    });
}

struct result_in_the_awaiter {
    struct awaiter {
        std::string text;
        bool await_ready() const noexcept { return true; }
        void await_suspend(std::coroutine_handle<>) const noexcept {}
        std::string&& await_resume() { return std::move(text); }
    };
    std::string text;
    awaiter operator co_await() const { return {text}; }
};

TEST(await, result_that_lies_in_the_awaiter_is_moved_out_in_time) {
    on_one_and_four_workers([] {
        std::string const text = "too long to lie in the string itself, so that its end can be seen";
        EXPECT_EQ(await(result_in_the_awaiter{text}), text);
    });
}

TEST(await, suspends_the_task_and_not_its_worker) {
    run(runtime_options{.workers = 1}, [] {
        struct parked {
            std::coroutine_handle<>& who;
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<> h) { who = h; }
            int await_resume() const { return 7; }
        };
        std::coroutine_handle<> who;
        auto waiting = spawn([&] { return await(parked{who}); });
        test::yield_until_waiting(waiting);
        EXPECT_TRUE(waiting.cancel());  // does not end it: nobody could tell the awaitable
        yield();
        EXPECT_FALSE(waiting.done());
        who.resume();
        EXPECT_EQ(waiting.get(), 7);
    });
}

TEST(await, awaitable_that_destroys_the_coroutine_breaks_the_promise) {
    on_one_and_four_workers([] {
        struct destroys {
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<> who) const { who.destroy(); }
            void await_resume() const {}
        };
        EXPECT_THROW(await(destroys{}), broken_promise);
    });
}

TEST(await, pending_cancellation_is_thrown_before_anything_starts) {
    on_one_and_four_workers([] {
        auto waiting = spawn([] {
            current_task().cancel();
            await(throwing{});
        });
        EXPECT_THROW(waiting.get(), cancelled);
    });
}

}  // namespace
}  // namespace coir
