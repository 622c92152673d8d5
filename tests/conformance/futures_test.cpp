// SPDX-License-Identifier: BSL-1.0
//
// Futures: results, callbacks, and exceptions that nobody looks at.

#include "tests/conformance/support.hpp"

#include <atomic>
#include <future>
#include <optional>
#include <stdexcept>
#include <thread>

namespace coir {
namespace {

using test::journal;
using test::settle;
using test::under_each_setting;

std::exception_ptr failure(char const* what) {
    return std::make_exception_ptr(std::runtime_error(what));
}

// --- results -----------------------------------------------------------------------------------------------------------

COIR_CONFORMS(futures, result_of_a_pending_future) {
    promise<int> p;
    auto f = p.get_future();
    auto t = spawn([&] { return f.get(); });
    settle();
    EXPECT_FALSE(t.done());
    p.set_value(5);
    EXPECT_EQ(t.get(), 5);
}

COIR_CONFORMS(futures, exception_of_a_pending_future_is_an_error) {
    promise<int> p;
    auto const f = p.get_future();
    EXPECT_THROW(f.exception(), invalid_state);
    p.set_value(5);
}

COIR_CONFORMS(futures, future_that_has_a_result_gives_it) {
    promise<int> p;
    auto f = p.get_future();
    EXPECT_FALSE(f.done());
    p.set_value(5);
    EXPECT_TRUE(f.done());
    EXPECT_FALSE(f.cancelled());
    EXPECT_EQ(f.exception(), nullptr);
    EXPECT_EQ(f.get(), 5);
}

COIR_CONFORMS(futures, future_that_has_failed_raises) {
    promise<int> p;
    auto f = p.get_future();
    p.set_exception(failure("set"));
    EXPECT_TRUE(f.done());
    EXPECT_FALSE(f.cancelled());
    EXPECT_EQ(test::message_of(f.exception()), "set");
    for (int i = 0; i < 2; ++i) {
        EXPECT_THROW(f.get(), std::runtime_error);
    }
}

COIR_CONFORMS(futures, future_that_was_cancelled_raises_that) {
    promise<int> p;
    auto f = p.get_future();
    EXPECT_TRUE(f.cancel("not wanted"));
    EXPECT_TRUE(f.done());
    EXPECT_TRUE(f.cancelled());
    EXPECT_THROW(f.get(), cancelled);
    EXPECT_THROW(f.exception(), cancelled);
}

COIR_CONFORMS(futures, second_reading_of_a_result) {
    promise<int> p;
    auto f = p.get_future();
    p.set_value(5);
    EXPECT_EQ(f.get(), 5);
    EXPECT_THROW(f.get(), invalid_state);
    promise<int> q;
    auto const shared = q.get_future().share();
    q.set_value(6);
    EXPECT_EQ(shared.get(), 6);
    EXPECT_EQ(shared.get(), 6);
}

COIR_CONFORMS(futures, several_tasks_may_await_one_future) {
    promise<int> p;
    auto const shared = p.get_future().share();
    auto a = spawn([=] { return shared.get(); });
    auto b = spawn([=] { return shared.get(); });
    settle();
    p.set_value(5);
    EXPECT_EQ(a.get(), 5);
    EXPECT_EQ(b.get(), 5);
}

COIR_CONFORMS(futures, result_is_set_once) {
    promise<int> p;
    auto f = p.get_future();
    p.set_value(5);
    EXPECT_THROW(p.set_value(6), invalid_state);
    EXPECT_THROW(p.set_exception(failure("late")), invalid_state);
    EXPECT_EQ(f.get(), 5);
}

COIR_CONFORMS(futures, cancelled_future_takes_no_result) {
    promise<int> p;
    auto f = p.get_future();
    f.cancel();
    EXPECT_THROW(p.set_value(6), invalid_state);
    EXPECT_THROW(p.set_exception(failure("late")), invalid_state);
    EXPECT_TRUE(p.cancelled());
    EXPECT_TRUE(f.cancelled());
}

COIR_CONFORMS(futures, cancel_is_false_once_the_future_is_done) {
    promise<int> p;
    auto f = p.get_future();
    p.set_value(5);
    EXPECT_FALSE(f.cancel());
    EXPECT_EQ(f.get(), 5);
    promise<int> q;
    auto g = q.get_future();
    EXPECT_TRUE(g.cancel());
    EXPECT_FALSE(g.cancel());
}

COIR_CONFORMS(futures, future_that_nobody_can_set) {
    std::optional<promise<int>> p(std::in_place);
    auto f = p->get_future();
    auto t = spawn([&] { return f.get(); });
    settle();
    p.reset();
    EXPECT_THROW(t.get(), broken_promise);
}

COIR_CONFORMS(futures, future_may_be_set_from_any_thread) {
    promise<int> p;
    auto f = p.get_future();
    std::thread setter([&] { p.set_value(5); });
    EXPECT_EQ(f.get(), 5);
    setter.join();
}

// --- callbacks ---------------------------------------------------------------------------------------------------------

COIR_CONFORMS(futures, callbacks_never_run_inline) {
    test::on_a_strand([] {
        promise<void> p;
        auto f = p.get_future();
        latch called(1);
        bool ran = false;
        f.on_done([&] {
            ran = true;
            called.count_down();
        });
        p.set_value();
        EXPECT_FALSE(ran);
        called.wait();
        EXPECT_TRUE(ran);
    });
}

COIR_CONFORMS(futures, callback_of_a_future_that_is_done_runs_soon) {
    test::on_a_strand([] {
        promise<void> p;
        auto f = p.get_future();
        p.set_value();
        latch called(1);
        bool ran = false;
        f.on_done([&] {
            ran = true;
            called.count_down();
        });
        EXPECT_FALSE(ran);
        called.wait();
        EXPECT_TRUE(ran);
    });
}

COIR_CONFORMS(futures, callbacks_run_in_the_order_of_their_registration) {
    promise<void> p;
    auto f = p.get_future();
    journal<int> order;
    latch called(8);
    for (int i = 0; i < 8; ++i) {
        f.on_done([&, i] {
            order.add(i);
            called.count_down();
        });
    }
    settle();
    EXPECT_EQ(order.size(), 0u);
    p.set_value();
    called.wait();
    EXPECT_EQ(order.entries(), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

COIR_CONFORMS(futures, callback_has_the_context_of_its_registration) {
    context_var<int> number(0);
    promise<void> p;
    auto f = p.get_future();
    promise<int> seen;
    auto saw = seen.get_future();
    number.set(1);
    f.on_done([&] { seen.set_value(number.get()); });
    number.set(2);
    p.set_value();
    EXPECT_EQ(saw.get(), 1);
}

COIR_CONFORMS(futures, callback_registered_twice_runs_twice) {
    promise<void> p;
    auto f = p.get_future();
    latch called(2);
    auto const callback = [&] { called.count_down(); };
    f.on_done(callback);
    f.on_done(callback);
    p.set_value();
    called.wait();
    EXPECT_TRUE(called.try_wait());
}

COIR_CONFORMS(futures, callbacks_run_after_a_cancellation_too) {
    promise<void> p;
    auto f = p.get_future();
    latch called(1);
    f.on_done([&] {
        EXPECT_TRUE(f.cancelled());
        called.count_down();
    });
    f.cancel();
    called.wait();
    EXPECT_TRUE(called.try_wait());
}

TEST(futures, exception_of_a_callback_reaches_the_handler) {
    under_each_setting([](runtime_options const& options) {
        test::reports reports;
        run(reports.watching(options), [] {
            promise<int> p;
            auto f = p.get_future();
            f.on_done([] { throw std::runtime_error("callback"); });
            p.set_value(5);
            EXPECT_EQ(f.get(), 5);
            settle();
        });
        ASSERT_EQ(reports.seen().size(), 1u);
        EXPECT_NE(reports.seen().front().find("callback"), std::string::npos);
    });
}

// --- exceptions that nobody looks at -----------------------------------------------------------------------------------

// What is reported of a future with an exception, with which `use(future, promise)` does something.
template <class Use>
std::vector<std::string> reported_after(runtime_options const& options, Use const& use) {
    test::reports reports;
    run(reports.watching(options), [&] {
        promise<int> p;
        auto f = p.get_future();
        p.set_exception(failure("lost"));
        use(f);
    });
    return reports.seen();
}

std::vector<std::string> const k_reported{"main: lost"};
std::vector<std::string> const k_silent;

TEST(futures, exception_that_nobody_retrieves_is_reported) {
    under_each_setting([](runtime_options const& options) {
        EXPECT_EQ(reported_after(options, [](auto&) {}), k_reported);
        EXPECT_EQ(reported_after(options, [](auto& f) { f.wait(); }), k_reported);
    });
}

TEST(futures, exception_that_was_retrieved_is_not_reported) {
    under_each_setting([](runtime_options const& options) {
        EXPECT_EQ(reported_after(options, [](auto& f) { EXPECT_THROW(f.get(), std::runtime_error); }), k_silent);
        EXPECT_EQ(reported_after(options, [](auto& f) { EXPECT_NE(f.exception(), nullptr); }), k_silent);
        EXPECT_EQ(reported_after(options, [](auto& f) { EXPECT_THROW(gather(f), std::runtime_error); }), k_silent);
    });
}

TEST(futures, cancel_of_a_future_with_an_exception) {
    under_each_setting([](runtime_options const& options) {
        EXPECT_EQ(reported_after(options, [](auto& f) { EXPECT_FALSE(f.cancel()); }), k_reported);
    });
}

TEST(futures, exception_of_a_task_that_nobody_retrieves_is_reported) {
    under_each_setting([](runtime_options const& options) {
        test::reports reports;
        run(reports.watching(options), [] {
            spawn({.name = "loser"}, [] { throw std::runtime_error("lost"); });
            settle();
            auto seen = spawn([] { throw std::runtime_error("seen"); });
            EXPECT_THROW(seen.get(), std::runtime_error);
            auto gone = spawn([] { throw cancelled("gone"); });
            settle();
        });
        EXPECT_EQ(reports.seen(), std::vector<std::string>{"loser: lost"});
    });
}

// --- futures of other kinds --------------------------------------------------------------------------------------------

COIR_CONFORMS(futures, future_of_a_thread_can_be_awaited) {
    std::promise<int> p;
    auto f = wrap_future(p.get_future());
    std::thread setter([&] { p.set_value(5); });
    EXPECT_EQ(f.get(), 5);
    setter.join();
    std::promise<int> q;
    auto g = wrap_future(q.get_future());
    q.set_exception(failure("thread"));
    EXPECT_THROW(g.get(), std::runtime_error);
}

COIR_CONFORMS(futures, cancel_of_a_wrapped_future) {
    std::promise<int> p;
    auto f = wrap_future(p.get_future());
    EXPECT_TRUE(f.cancel());
    EXPECT_THROW(f.get(), cancelled);
    EXPECT_NO_THROW(p.set_value(5));
}

}  // namespace
}  // namespace coir
