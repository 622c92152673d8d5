// SPDX-License-Identifier: BSL-1.0
//
// Waiting for several: gather, wait, as_completed; and shield.

#include "tests/conformance/support.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <tuple>
#include <variant>

namespace coir {
namespace {

using namespace std::chrono_literals;
using test::settle;
using test::under_each_setting;
using test::wait_forever;

template <class Handle>
std::vector<int> values_of(std::vector<std::reference_wrapper<Handle>> const& handles) {
    std::vector<int> values;
    for (Handle& h : handles) {
        values.push_back(h.get());
    }
    return values;
}

// A task that ends with its number when its event is set.
struct gated {
    event go;
    task<int> ended;

    explicit gated(int number)
        : ended(spawn([this, number] {
              go.wait();
              return number;
          })) {}
    gated(gated const&) = delete;
    gated& operator=(gated const&) = delete;
    ~gated() {
        if (ended.valid()) {
            cancel_shield const shield;
            ended.cancel();
            ended.wait();
        }
    }
};

// --- gather ------------------------------------------------------------------------------------------------------------

COIR_CONFORMS_IN_VIRTUAL_TIME(waiting, gather_gives_results_in_the_order_of_its_arguments) {
    auto after = [](std::chrono::seconds d, int value) {
        return [d, value] {
            sleep(d);
            return value;
        };
    };
    EXPECT_EQ(gather(after(3s, 1), after(1s, 2), after(2s, 3)), std::tuple(1, 2, 3));
    std::vector<task<int>> tasks;
    for (int i = 0; i < 4; ++i) {
        tasks.push_back(spawn(after(std::chrono::seconds(4 - i), i)));
    }
    EXPECT_EQ(gather(tasks), (std::vector<int>{0, 1, 2, 3}));
}

COIR_CONFORMS(waiting, gather_runs_its_arguments_at_the_same_time) {
    event a;
    event b;
    gather(
        [&] {
            a.set();
            b.wait();
        },
        [&] {
            b.set();
            a.wait();
        });
    EXPECT_TRUE(a.is_set() && b.is_set());
}

COIR_CONFORMS(waiting, gather_gives_something_to_await_later) {
    gated a(1);
    gated b(2);
    auto later = spawn([&] { return gather(a.ended, b.ended); });
    settle();
    EXPECT_FALSE(later.done());
    a.go.set();
    b.go.set();
    EXPECT_EQ(later.get(), std::tuple(1, 2));
}

COIR_CONFORMS(waiting, same_awaitable_twice_in_a_gather) {
    promise<int> p;
    auto const shared = p.get_future().share();
    p.set_value(5);
    EXPECT_EQ(gather(shared, shared), std::tuple(5, 5));
    auto t = spawn([] { return 5; });
    EXPECT_THROW(gather(t, t), invalid_state);
}

COIR_CONFORMS(waiting, gather_of_nothing_is_done) {
    EXPECT_EQ(gather(), std::tuple<>());
    EXPECT_EQ(gather(std::vector<task<int>>()), std::vector<int>());
}

COIR_CONFORMS(waiting, gather_ends_at_the_first_exception_and_the_others_run_on) {
    gated sibling(1);
    promise<int> p;
    auto failing = p.get_future();
    auto t = spawn([&] { gather(sibling.ended, failing); });
    settle();
    p.set_exception(std::make_exception_ptr(std::out_of_range("first")));
    EXPECT_THROW(t.get(), std::out_of_range);
    EXPECT_FALSE(sibling.ended.done());
    EXPECT_EQ(sibling.ended.cancelling(), 0u);
    sibling.go.set();
    EXPECT_EQ(sibling.ended.get(), 1);
}

COIR_CONFORMS(waiting, gather_and_the_coroutines_that_it_started) {
    event go;
    std::atomic<bool> ended{false};
    auto t = spawn([&] {
        gather(
            [&] {
                go.wait();
                ended = true;
            },
            [] { throw std::out_of_range("first"); });
    });
    settle();
    EXPECT_FALSE(t.done());
    go.set();
    EXPECT_THROW(t.get(), std::out_of_range);
    EXPECT_TRUE(ended);
}

COIR_CONFORMS(waiting, gather_raises_the_cancellation_of_a_child_as_an_exception) {
    auto child = spawn(wait_forever);
    auto t = spawn([&] {
        EXPECT_THROW(gather(child), cancelled);
        EXPECT_EQ(current_task().cancelling(), 0u);
        return 5;
    });
    settle();
    child.cancel();
    EXPECT_EQ(t.get(), 5);
}

TEST(waiting, gather_is_silent_about_later_exceptions) {
    under_each_setting([](runtime_options const& options) {
        test::reports reports;
        run(reports.watching(options), [] {
            auto fail = [] {
                yield();
                throw std::runtime_error("callable");
            };
            EXPECT_THROW(gather(fail, fail, fail), std::runtime_error);
        });
        EXPECT_EQ(reports.seen(), std::vector<std::string>());
    });
}

TEST(waiting, later_exceptions_of_tasks_in_a_gather) {
    under_each_setting([](runtime_options const& options) {
        test::reports reports;
        run(reports.watching(options), [] {
            auto first = spawn([] { throw std::out_of_range("first"); });
            first.wait();
            event go;
            auto second = spawn({.name = "second"}, [&] {
                go.wait();
                throw std::runtime_error("late");
            });
            EXPECT_THROW(gather(first, second), std::out_of_range);
            go.set();
            second.wait();
        });
        EXPECT_EQ(reports.seen(), std::vector<std::string>{"second: late"});
    });
}

COIR_CONFORMS(waiting, cancelled_gather_cancels_all_its_children) {
    auto a = spawn(wait_forever);
    auto b = spawn(wait_forever);
    auto t = spawn([&] { gather(a, b, wait_forever); });
    settle();
    t.cancel();
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_TRUE(a.cancelled());
    EXPECT_TRUE(b.cancelled());
}

COIR_CONFORMS(waiting, cancelled_gather_ends_when_all_its_children_have) {
    event let_go;
    auto slow = spawn([&] {
        EXPECT_THROW(wait_forever(), cancelled);
        let_go.wait();
    });
    auto quick = spawn(wait_forever);
    auto t = spawn([&] { gather(slow, quick); });
    settle();
    t.cancel();
    settle();
    EXPECT_TRUE(quick.done());
    EXPECT_FALSE(t.done());
    let_go.set();
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_TRUE(slow.done());
}

COIR_CONFORMS(waiting, cancelled_gather_raises_even_if_it_returns_exceptions) {
    auto a = spawn(wait_forever);
    auto t = spawn([&] { gather_settled(a); });
    settle();
    t.cancel();
    EXPECT_THROW(t.get(), cancelled);
    EXPECT_TRUE(a.cancelled());
}

COIR_CONFORMS(waiting, cancel_of_a_gather_that_is_done_does_nothing) {
    auto t = spawn([] { return gather([] { return 1; }, [] { return 2; }); });
    t.wait();
    EXPECT_FALSE(t.cancel());
    EXPECT_EQ(t.get(), std::tuple(1, 2));
}

COIR_CONFORMS(waiting, gather_returns_exceptions_in_their_places) {
    auto [a, b, c] = gather_settled([] { return 1; }, []() -> int { throw std::out_of_range("second"); },
                                    []() -> int { throw cancelled("third"); });
    EXPECT_EQ(a.value(), 1);
    EXPECT_EQ(test::message_of(b.error()), "second");
    EXPECT_EQ(test::message_of(c.error()), "cancelled: third");
}

COIR_CONFORMS(waiting, gather_that_returns_exceptions_waits_for_all) {
    gated late(1);
    auto failed = spawn([] { throw std::out_of_range("first"); });
    auto t = spawn([&] { return gather_settled(failed, late.ended); });
    settle();
    EXPECT_FALSE(t.done());
    late.go.set();
    auto const outcomes = t.get();
    EXPECT_FALSE(std::get<0>(outcomes).has_value());
    EXPECT_EQ(std::get<1>(outcomes).value(), 1);
}

// --- wait --------------------------------------------------------------------------------------------------------------

struct three_tasks {
    gated a{1};
    gated b{2};
    gated c{3};
    std::vector<task<int>> all;

    three_tasks() {
        all.push_back(std::move(a.ended));
        all.push_back(std::move(b.ended));
        all.push_back(std::move(c.ended));
    }
    ~three_tasks() {
        cancel_shield const shield;
        for (auto const& t : all) {
            t.cancel();
            t.wait();
        }
    }
};

COIR_CONFORMS(waiting, wait_returns_when_all_are_done) {
    three_tasks tasks;
    auto waiter = spawn([&] { return wait(tasks.all); });
    tasks.a.go.set();
    tasks.b.go.set();
    settle();
    EXPECT_FALSE(waiter.done());
    tasks.c.go.set();
    auto const [done, pending] = waiter.get();
    EXPECT_EQ(values_of(done), (std::vector<int>{1, 2, 3}));
    EXPECT_TRUE(pending.empty());
}

COIR_CONFORMS(waiting, wait_returns_when_the_first_is_done) {
    three_tasks tasks;
    tasks.b.go.set();
    auto const [done, pending] = wait(tasks.all, {.return_when = return_when::first_completed});
    EXPECT_EQ(values_of(done), std::vector<int>{2});
    EXPECT_EQ(pending.size(), 2u);
}

COIR_CONFORMS(waiting, wait_returns_at_the_first_exception_and_does_not_raise_it) {
    event go;
    std::vector<task<void>> tasks;
    tasks.push_back(spawn([] {}));
    tasks.push_back(spawn([&] {
        go.wait();
        throw std::out_of_range("failed");
    }));
    tasks.push_back(spawn(wait_forever));
    auto waiter = spawn([&] { return wait(tasks, {.return_when = return_when::first_exception}); });
    settle();
    EXPECT_FALSE(waiter.done());
    go.set();
    auto const [done, pending] = waiter.get();
    EXPECT_EQ(done.size(), 2u);
    EXPECT_EQ(pending.size(), 1u);
    EXPECT_THROW(tasks[1].get(), std::out_of_range);
    tasks[2].cancel();
    tasks[2].wait();
}

COIR_CONFORMS(waiting, wait_for_an_exception_takes_no_cancellation_for_one) {
    std::vector<task<void>> tasks;
    event go;
    tasks.push_back(spawn(wait_forever));
    tasks.push_back(spawn([&] { go.wait(); }));
    auto waiter = spawn([&] { return wait(tasks, {.return_when = return_when::first_exception}); });
    settle();
    tasks[0].cancel();
    settle();
    EXPECT_TRUE(tasks[0].cancelled());
    EXPECT_FALSE(waiter.done());
    go.set();
    EXPECT_EQ(waiter.get().done.size(), 2u);
}

COIR_CONFORMS_IN_VIRTUAL_TIME(waiting, wait_that_times_out_raises_nothing) {
    three_tasks tasks;
    auto const start = clock::now();
    auto const [done, pending] = wait(tasks.all, {.timeout = 5s});
    EXPECT_EQ(clock::now() - start, 5s);
    EXPECT_TRUE(done.empty());
    EXPECT_EQ(pending.size(), 3u);
}

COIR_CONFORMS(waiting, wait_cancels_nothing) {
    three_tasks tasks;
    tasks.a.go.set();
    wait(tasks.all, {.return_when = return_when::first_completed});
    wait(tasks.all, {.timeout = 1ms});
    EXPECT_EQ(tasks.all[1].cancelling(), 0u);
    tasks.b.go.set();
    tasks.c.go.set();
    EXPECT_EQ(gather(tasks.all), (std::vector<int>{1, 2, 3}));
}

COIR_CONFORMS(waiting, cancelled_wait_leaves_the_tasks_running) {
    three_tasks tasks;
    auto waiter = spawn([&] { wait(tasks.all); });
    settle();
    waiter.cancel();
    EXPECT_THROW(waiter.get(), cancelled);
    for (auto const& t : tasks.all) {
        EXPECT_FALSE(t.done());
        EXPECT_EQ(t.cancelling(), 0u);
    }
}

COIR_CONFORMS(waiting, wait_for_nothing_is_an_error) {
    std::vector<task<int>> none;
    EXPECT_THROW(wait(none), std::invalid_argument);
}

COIR_CONFORMS(waiting, wait_tells_done_from_pending) {
    three_tasks tasks;
    tasks.c.go.set();
    tasks.a.go.set();
    tasks.all[0].wait();
    tasks.all[2].wait();
    auto const [done, pending] = wait(tasks.all, {.timeout = 0s});
    EXPECT_EQ(values_of(done), (std::vector<int>{1, 3}));  // in the order of the range
    ASSERT_EQ(pending.size(), 1u);
    EXPECT_EQ(&pending[0].get(), &tasks.all[1]);
}

// --- as_completed ------------------------------------------------------------------------------------------------------

COIR_CONFORMS_IN_VIRTUAL_TIME(waiting, as_completed_gives_what_ends_first_first) {
    std::vector<task<int>> sleepers;
    for (int const seconds : {3, 1, 2}) {
        sleepers.push_back(spawn([seconds] {
            sleep(seconds * 1s);
            return seconds;
        }));
    }
    std::vector<int> order;
    for (task<int>& sleeper : as_completed(sleepers)) {
        order.push_back(sleeper.get());
    }
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

COIR_CONFORMS(waiting, as_completed_gives_the_tasks_themselves) {
    three_tasks tasks;
    tasks.b.go.set();
    auto completed = as_completed(tasks.all);
    EXPECT_EQ(&*completed.begin(), &tasks.all[1]);
}

COIR_CONFORMS(waiting, as_completed_raises_where_the_result_is_taken) {
    std::vector<task<void>> tasks;
    tasks.push_back(spawn([] { throw std::out_of_range("failed"); }));
    tasks.push_back(spawn([] {}));
    int failed = 0;
    int ended_well = 0;
    for (task<void>& t : as_completed(tasks)) {
        try {
            t.get();
            ++ended_well;
        } catch (std::out_of_range const&) {
            ++failed;
        }
    }
    EXPECT_EQ(failed, 1);
    EXPECT_EQ(ended_well, 1);
}

COIR_CONFORMS_IN_VIRTUAL_TIME(waiting, as_completed_times_out) {
    three_tasks tasks;
    tasks.c.go.set();
    std::vector<int> seen;
    EXPECT_THROW(with_timeout(5s,
                              [&] {
                                  for (task<int>& t : as_completed(tasks.all)) {
                                      seen.push_back(t.get());
                                  }
                              }),
                 timeout_error);
    EXPECT_EQ(seen, std::vector<int>{3});
}

COIR_CONFORMS(waiting, as_completed_cancels_nothing) {
    three_tasks tasks;
    EXPECT_THROW(with_timeout(1ms,
                              [&] {
                                  for (task<int>& t : as_completed(tasks.all)) {
                                      t.get();
                                  }
                              }),
                 timeout_error);
    for (auto const& t : tasks.all) {
        EXPECT_FALSE(t.done());
        EXPECT_EQ(t.cancelling(), 0u);
    }
}

COIR_CONFORMS(waiting, same_awaitable_twice_in_as_completed) {
    promise<int> p;
    auto const f = p.get_future().share();
    std::vector<shared_future<int>> const twice{f, f};
    p.set_value(5);
    int count = 0;
    for (auto const& each : as_completed(twice)) {
        EXPECT_EQ(each.get(), 5);
        ++count;
    }
    EXPECT_EQ(count, 2);
}

COIR_CONFORMS(waiting, as_completed_of_nothing_is_empty) {
    std::vector<task<int>> none;
    auto completed = as_completed(none);
    EXPECT_TRUE(completed.begin() == completed.end());
}

// --- shield ------------------------------------------------------------------------------------------------------------

COIR_CONFORMS(waiting, shield_gives_the_result) {
    auto inner = spawn([] { return 5; });
    EXPECT_EQ(shield(inner), 5);
    auto failing = spawn([] { throw std::out_of_range("inner"); });
    EXPECT_THROW(shield(failing), std::out_of_range);
}

COIR_CONFORMS(waiting, shield_lets_the_inner_task_run_on) {
    gated inner(5);
    auto outer = spawn([&] { shield(inner.ended); });
    settle();
    outer.cancel();
    EXPECT_THROW(outer.get(), cancelled);
    EXPECT_FALSE(inner.ended.done());
    EXPECT_EQ(inner.ended.cancelling(), 0u);
    inner.go.set();
    EXPECT_EQ(inner.ended.get(), 5);
}

COIR_CONFORMS(waiting, shield_of_a_task_that_is_cancelled_is_cancelled) {
    auto inner = spawn(wait_forever);
    auto outer = spawn([&] { shield(inner); });
    settle();
    inner.cancel();
    EXPECT_THROW(outer.get(), cancelled);
    EXPECT_EQ(outer.cancelling(), 0u);
}

COIR_CONFORMS(waiting, shield_of_what_is_done_returns_at_once) {
    auto inner = spawn([] { return 5; });
    inner.wait();
    test::on_a_strand([&] {
        bool other_ran = false;
        auto other = spawn([&] { other_ran = true; });
        EXPECT_EQ(shield(inner), 5);
        EXPECT_FALSE(other_ran);
        other.get();
    });
}

template <class Handle>
concept can_be_shielded = requires(Handle&& h) {
    shield(std::forward<Handle>(h));
};

COIR_CONFORMS(waiting, shield_needs_a_reference_that_is_kept) {
    static_assert(can_be_shielded<task<int>&>);
    static_assert(!can_be_shielded<task<int>>);
    auto kept = spawn([] { return 1; });
    EXPECT_EQ(shield(kept), 1);
}

TEST(waiting, failure_behind_a_shield_that_was_left_is_reported) {
    under_each_setting([](runtime_options const& options) {
        test::reports reports;
        run(reports.watching(options), [] {
            event go;
            auto inner = spawn({.name = "inner"}, [&] {
                go.wait();
                throw std::runtime_error("too late");
            });
            auto outer = spawn([&] { shield(inner); });
            settle();
            outer.cancel();
            EXPECT_THROW(outer.get(), cancelled);
            go.set();
            inner.wait();
        });
        EXPECT_EQ(reports.seen(), std::vector<std::string>{"inner: too late"});
    });
}

}  // namespace
}  // namespace coir
