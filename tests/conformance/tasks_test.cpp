// SPDX-License-Identifier: BSL-1.0
//
// Tasks: how they are created, started eagerly, named, found, and handed in from other threads.

#include "tests/conformance/support.hpp"

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <stdexcept>
#include <thread>

namespace coir {
namespace {

using test::journal;
using test::on_a_strand;
using test::settle;
using test::under_each_setting;
using test::wait_forever;

template <class T>
concept takes_results = requires(T& t) {
    t.set_value(1);
}
|| requires(T& t) {
    t.set_exception(nullptr);
};

bool lists(std::vector<task_ref> const& tasks, task_ref const& wanted) {
    return std::ranges::find(tasks, wanted) != tasks.end();
}

// --- creation ----------------------------------------------------------------------------------------------------------

COIR_CONFORMS(tasks, new_task_never_runs_inline) {
    on_a_strand([] {
        bool ran = false;
        auto t = spawn([&] { ran = true; });
        EXPECT_FALSE(ran);
        t.get();
        EXPECT_TRUE(ran);
    });
}

COIR_CONFORMS(tasks, tasks_start_in_the_order_of_their_creation) {
    journal<int> order;
    on_a_strand([&] {
        std::vector<task<void>> tasks;
        for (int i = 0; i < 6; ++i) {
            tasks.push_back(spawn([&, i] { order.add(i); }));
        }
        tasks.back().get();
    });
    EXPECT_EQ(order.entries(), (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

COIR_CONFORMS(tasks, context_is_copied_at_creation) {
    context_var<int> number(0);
    number.set(1);
    auto t = spawn([&] { return number.get(); });
    number.set(2);
    EXPECT_EQ(t.get(), 1);
}

COIR_CONFORMS(tasks, context_of_a_task_is_its_own) {
    context_var<int> number(0);
    number.set(1);
    auto t = spawn([&] {
        number.set(2);
        yield();
        return number.get();
    });
    EXPECT_EQ(t.get(), 2);
    EXPECT_EQ(number.get(), 1);
}

COIR_CONFORMS(tasks, context_is_chosen_by_the_creator) {
    context_var<int> number(0);
    auto const token_of_2 = [&] { return number.set(2); };
    auto t = [&] {
        auto token = token_of_2();
        auto created = spawn([&] { return number.get(); });
        number.reset(token);
        return created;
    }();
    EXPECT_EQ(number.get(), 0);
    EXPECT_EQ(t.get(), 2);
}

COIR_CONFORMS(tasks, task_without_a_name_has_one_with_a_number) {
    auto a = spawn([] {});
    auto b = spawn([] {});
    EXPECT_EQ(a.name(), "task-" + std::to_string(a.id()));
    EXPECT_NE(a.name(), b.name());
    gather(a, b);
}

COIR_CONFORMS(tasks, name_is_given_at_creation) {
    auto t = spawn({.name = "worker"}, [] { return current_task().name(); });
    EXPECT_EQ(t.name(), "worker");
    EXPECT_EQ(t.get(), "worker");
}

COIR_CONFORMS(tasks, name_can_be_changed) {
    auto t = spawn({.name = "worker"}, wait_forever);
    t.set_name("renamed");
    EXPECT_EQ(t.name(), "renamed");
    t.cancel();
    t.wait();
}

COIR_CONFORMS(tasks, dropped_task_runs_to_its_end) {
    event go;
    event ended;
    bool went_on = false;
    spawn([&] {
        go.wait();
        yield();
        went_on = true;
        ended.set();
    });
    settle();
    go.set();
    ended.wait();
    EXPECT_TRUE(went_on);
}

COIR_CONFORMS(tasks, result_cannot_be_set_from_outside) {
    static_assert(takes_results<promise<int>>);
    static_assert(!takes_results<task<int>>);
    EXPECT_EQ(spawn([] { return 1; }).get(), 1);
}

// --- eager tasks -------------------------------------------------------------------------------------------------------

COIR_CONFORMS(tasks, eager_task_runs_up_to_its_first_suspension) {
    promise<int> p;
    int steps = 0;
    auto t = spawn({.eager = true}, [&, f = p.get_future()]() mutable {
        ++steps;
        int const got = f.get();
        ++steps;
        return got;
    });
    EXPECT_EQ(steps, 1);
    EXPECT_FALSE(t.done());
    p.set_value(7);
    EXPECT_EQ(t.get(), 7);
    EXPECT_EQ(steps, 2);
}

COIR_CONFORMS(tasks, eager_task_is_the_current_one_while_it_runs) {
    auto const self = current_task();
    auto t = spawn({.name = "eager", .eager = true}, [] { return current_task().name(); });
    EXPECT_TRUE(current_task() == self);
    EXPECT_EQ(t.get(), "eager");
}

COIR_CONFORMS(tasks, eager_task_that_never_suspends_is_done_at_once) {
    auto t = spawn({.eager = true}, [] { return 5; });
    EXPECT_TRUE(t.done());
    EXPECT_FALSE(lists(all_tasks(), t.ref()));
    EXPECT_EQ(t.get(), 5);
}

COIR_CONFORMS(tasks, eager_task_overtakes_what_was_created_before) {
    journal<int> order;
    on_a_strand([&] {
        auto lazy = spawn([&] { order.add(3); });
        auto eager = spawn({.eager = true}, [&] { order.add(1); });
        order.add(2);
        gather(lazy, eager);
    });
    EXPECT_EQ(order.entries(), (std::vector<int>{1, 2, 3}));
}

COIR_CONFORMS(tasks, failure_of_an_eager_task_stays_in_it) {
    auto t = spawn({.eager = true}, [] { throw std::runtime_error("eager"); });
    EXPECT_TRUE(t.done());
    EXPECT_THROW(t.get(), std::runtime_error);
}

// --- who is there ------------------------------------------------------------------------------------------------------

COIR_CONFORMS(tasks, current_task_is_the_one_that_asks) {
    auto t = spawn([] {
        auto const before = current_task();
        yield();
        EXPECT_TRUE(current_task() == before);
        return before;
    });
    EXPECT_TRUE(t.get() == t.ref());
    EXPECT_FALSE(current_task() == t.ref());
}

// Under no setting: there is no runtime.
TEST(tasks, outside_of_a_loop_there_is_no_current_task) {
    EXPECT_THROW(current_task(), no_running_runtime);
    EXPECT_THROW(all_tasks(), no_running_runtime);
}

COIR_CONFORMS(tasks, callback_runs_outside_of_the_tasks_that_cause_it) {
    auto const self = current_task();
    promise<task_ref> seen;
    auto caller = seen.get_future();
    auto t = spawn([] {});
    t.on_done([&](task_ref const&) { seen.set_value(current_task()); });
    auto const found = caller.get();
    EXPECT_FALSE(found == self);
    EXPECT_FALSE(found == t.ref());
}

COIR_CONFORMS(tasks, all_tasks_are_those_that_have_not_ended) {
    auto waiting = spawn(wait_forever);
    auto ended = spawn([] {});
    ended.get();
    settle();
    auto const tasks = all_tasks();
    EXPECT_TRUE(lists(tasks, current_task()));
    EXPECT_TRUE(lists(tasks, waiting.ref()));
    EXPECT_FALSE(lists(tasks, ended.ref()));
    waiting.cancel();
    waiting.wait();
}

TEST(tasks, all_tasks_are_those_of_one_loop) {
    under_each_setting([](runtime_options const& options) {
        runtime other(options);
        auto elsewhere = other.spawn(wait_forever);
        run(options, [&] {
            EXPECT_EQ(all_tasks().size(), 1u);
            EXPECT_FALSE(lists(all_tasks(), elsewhere.ref()));
        });
        elsewhere.cancel();
    });
}

// --- awaiting ----------------------------------------------------------------------------------------------------------

COIR_CONFORMS(tasks, task_that_awaits_itself_is_an_error) {
    promise<task<int>*> handed;
    auto t = spawn([f = handed.get_future()]() mutable {
        auto* const self = f.get();
        EXPECT_THROW(self->get(), invalid_state);
        return 5;
    });
    handed.set_value(&t);
    settle();
    EXPECT_EQ(t.get(), 5);
}

TEST(tasks, task_of_another_loop_may_be_awaited) {
    under_each_setting([](runtime_options const& options) {
        runtime other(options);
        auto elsewhere = other.spawn([] {
            yield();
            return 5;
        });
        EXPECT_EQ(run(options, [&] { return elsewhere.get(); }), 5);
    });
}

COIR_CONFORMS(tasks, handles_are_awaited_as_they_are) {
    auto t = spawn({.name = "given"}, [] { return current_task().name(); });
    promise<int> p;
    auto f = p.get_future();
    p.set_value(3);
    auto const [name, number] = gather(t, f);
    EXPECT_EQ(name, "given");
    EXPECT_EQ(number, 3);
}

COIR_CONFORMS(tasks, callables_are_wrapped_in_tasks) {
    auto const self = current_task();
    auto const [inner] = gather([] { return current_task(); });
    EXPECT_FALSE(inner == self);
    EXPECT_TRUE(inner.parent() == self);
}

struct gives_five {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const { waiting.resume(); }
    int await_resume() const noexcept { return 5; }
};

COIR_CONFORMS(tasks, other_awaitables_are_wrapped_too) {
    EXPECT_EQ(await(gives_five()), 5);
    auto t = spawn([] { return await(gives_five()); });
    EXPECT_EQ(t.get(), 5);
}

// --- from other threads ------------------------------------------------------------------------------------------------

TEST(tasks, other_threads_hand_work_in_and_wait_for_it) {
    under_each_setting([](runtime_options const& options) {
        runtime loop(options);
        int got = 0;
        std::thread outside([&] {
            auto t = loop.spawn(
                [](int x) {
                    yield();
                    return x + 1;
                },
                4);
            got = t.get();
        });
        outside.join();
        EXPECT_EQ(got, 5);
    });
}

TEST(tasks, other_threads_cancel_what_they_have_handed_in) {
    under_each_setting([](runtime_options const& options) {
        runtime loop(options);
        event never;
        std::atomic<bool> begun{false};
        auto t = loop.spawn([&] {
            begun = true;
            never.wait();
        });
        while (!begun) {
            std::this_thread::yield();
        }
        EXPECT_TRUE(t.cancel("from outside"));
        EXPECT_THROW(t.get(), cancelled);
    });
}

COIR_CONFORMS(tasks, to_thread_runs_elsewhere_and_returns_the_result) {
    auto const here = std::this_thread::get_id();
    int const got = to_thread(
        [here](int x) {
            EXPECT_NE(std::this_thread::get_id(), here);
            EXPECT_THROW(current_task(), no_running_runtime);
            return x + 1;
        },
        4);
    EXPECT_EQ(got, 5);
    EXPECT_THROW(to_thread([] { throw std::out_of_range("there"); }), std::out_of_range);
}

COIR_CONFORMS(tasks, to_thread_copies_the_context) {
    context_var<int> number(0);
    number.set(5);
    EXPECT_EQ(to_thread([&] {
                  EXPECT_EQ(number.get(), 5);
                  number.set(6);
                  return number.get();
              }),
              6);
    EXPECT_EQ(number.get(), 5);
    EXPECT_EQ(to_thread([&] { return number.get(); }), 5);
}

}  // namespace
}  // namespace coir
