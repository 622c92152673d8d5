// SPDX-License-Identifier: BSL-1.0
//
// Running: asyncio.run(), Runner, sleep, and the order in which the loop calls back.

#include "tests/conformance/support.hpp"

#include <atomic>
#include <csignal>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

namespace coir {
namespace {

using namespace std::chrono_literals;
using test::journal;
using test::on_a_strand;
using test::settle;
using test::under_each_setting;
using test::wait_forever;

TEST(running, returns_the_result_of_main) {
    under_each_setting([](runtime_options const& options) {
        EXPECT_EQ(run(
                      options, [](int a, int b) { return a - b; }, 7, 4),
                  3);
    });
}

TEST(running, raises_what_main_raises) {
    under_each_setting([](runtime_options const& options) {
        EXPECT_THROW(run(options, [] { throw std::out_of_range("main"); }), std::out_of_range);
        EXPECT_THROW(run(options, [] { throw cancelled("main"); }), cancelled);
    });
}

COIR_CONFORMS(running, nested_run) {
    auto const outer = current_task();
    int const got = run([&] {
        EXPECT_TRUE(current_task().parent() == outer);
        return 5;
    });
    EXPECT_EQ(got, 5);
    EXPECT_THROW(run(runtime_options{}, [] {}), invalid_state);
}

TEST(running, each_run_has_a_loop_of_its_own) {
    under_each_setting([](runtime_options const& options) {
        context_var<int> number(0);
        for (int i = 0; i < 2; ++i) {
            run(options, [&] {
                EXPECT_EQ(all_tasks().size(), 1u);
                EXPECT_EQ(number.get(), 0);
                number.set(1);
            });
        }
    });
}

TEST(running, tasks_that_are_left_are_cancelled) {
    under_each_setting([](runtime_options const& options) {
        std::optional<task_ref> waiting;
        std::optional<task_ref> fresh;
        run(options, [&] {
            waiting = spawn(wait_forever).ref();
            settle();
            fresh = spawn(wait_forever).ref();
        });
        EXPECT_EQ(waiting->state(), task_state::cancelled);
        EXPECT_EQ(fresh->state(), task_state::cancelled);
    });
}

TEST(running, tasks_that_are_left_are_awaited) {
    under_each_setting([](runtime_options const& options) {
        journal<int> steps;
        run(options, [&] {
            spawn([&] {
                try {
                    wait_forever();
                } catch (cancelled const&) {
                    cancel_shield const shield;
                    steps.add(1);
                    yield();
                    yield();
                    steps.add(2);
                }
            }).detach();
            settle();
        });
        EXPECT_EQ(steps.entries(), (std::vector<int>{1, 2}));
    });
}

TEST(running, failures_while_closing_reach_the_handler) {
    under_each_setting([](runtime_options const& options) {
        test::reports reports;
        run(reports.watching(options), [] {
            spawn({.name = "left"}, [] {
                try {
                    wait_forever();
                } catch (cancelled const&) {
                    throw std::runtime_error("could not clean up");
                }
            }).detach();
            spawn({.name = "good"}, wait_forever).detach();
            settle();
        });
        EXPECT_EQ(reports.seen(), std::vector<std::string>{"left: could not clean up"});
    });
}

TEST(running, generators_are_closed_at_the_end) {
    under_each_setting([](runtime_options const& options) {
        journal<int> closed;
        run(options, [&] {
            spawn([&] {
                generator<int> numbers([&](auto& yield) {
                    try {
                        yield(1);
                    } catch (generator_exit const&) {
                        closed.add(1);
                        throw;
                    }
                });
                EXPECT_EQ(*numbers.begin(), 1);
                wait_forever();
            }).detach();
            settle();
        });
        EXPECT_EQ(closed.size(), 1u);
    });
}

TEST(running, default_executor_is_shut_down_at_the_end) {
    under_each_setting([](runtime_options const& options) {
        auto const pool = std::make_shared<thread_pool_executor>(thread_pool_options{.max_workers = 1});
        run(options, [&] { set_default_executor(pool); });
        EXPECT_THROW(pool->submit([] {}), executor_shut_down);
    });
}

TEST(running, jobs_of_the_default_executor_are_awaited) {
    under_each_setting([](runtime_options const& options) {
        std::atomic<bool> main_is_over{false};
        std::atomic<bool> ended{false};
        run(options, [&] {
            run_in_executor([&] {
                while (!main_is_over) {
                    std::this_thread::yield();
                }
                ended = true;
            });
            main_is_over = true;
        });
        EXPECT_TRUE(ended);
    });
}

TEST(running, runner_runs_many_times_on_one_loop) {
    under_each_setting([](runtime_options const& options) {
        runtime loop(options);
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(loop.block_on([&] { return &runtime::current() == &loop ? i : -1; }), i);
        }
    });
}

TEST(running, runner_keeps_tasks_from_one_run_to_the_next) {
    under_each_setting([](runtime_options const& options) {
        event go;
        task<int> kept;
        runtime loop(options);
        loop.block_on([&] {
            kept = spawn([&] {
                go.wait();
                return 5;
            });
            settle();
        });
        EXPECT_FALSE(kept.done());
        EXPECT_EQ(loop.block_on([&] {
            go.set();
            return kept.get();
        }),
                  5);
    });
}

TEST(running, context_from_one_run_to_the_next) {
    under_each_setting([](runtime_options const& options) {
        context_var<int> number(0);
        runtime loop(options);
        loop.block_on([&] { number.set(1); });
        EXPECT_EQ(loop.block_on([&] { return number.get(); }), 0);
    });
}

TEST(running, runner_is_of_no_use_once_closed) {
    under_each_setting([](runtime_options const& options) {
        runtime loop(options);
        loop.shutdown();
        EXPECT_THROW(loop.block_on([] {}), no_running_runtime);
        EXPECT_THROW(loop.spawn([] {}), no_running_runtime);
    });
}

TEST(running, runner_may_be_closed_twice) {
    under_each_setting([](runtime_options const& options) {
        runtime loop(options);
        loop.shutdown();
        EXPECT_NO_THROW(loop.shutdown());
    });
}

TEST(running, runner_that_closes_cancels_its_tasks) {
    under_each_setting([](runtime_options const& options) {
        task<void> left;
        {
            runtime loop(options);
            loop.block_on([&] {
                left = spawn(wait_forever);
                settle();
            });
        }
        EXPECT_TRUE(left.cancelled());
    });
}

// Under no setting: the options are what it is about, and no task runs.
TEST(running, when_a_runner_makes_its_loop) {
    EXPECT_THROW(runtime(runtime_options{.workers = 5'000}), std::invalid_argument);
    runtime const loop(runtime_options{.workers = 2});
    EXPECT_EQ(loop.stats().workers, 2u);
}

// --- Ctrl-C ------------------------------------------------------------------------------------------------------------

runtime_options interruptible(runtime_options options) {
    options.handle_sigint = true;
    return options;
}

TEST(running, first_interrupt_cancels_main) {
    under_each_setting([](runtime_options const& options) {
        bool unwound = false;
        EXPECT_THROW(run(interruptible(options),
                         [&] {
                             std::raise(SIGINT);
                             try {
                                 wait_forever();
                             } catch (cancelled const&) {
                                 unwound = true;
                                 throw;
                             }
                         }),
                     cancelled);
        EXPECT_TRUE(unwound);
    });
}

TEST(running, interrupt_leaves_run_as_an_exception_of_its_own) {
    under_each_setting([](runtime_options const& options) {
        try {
            run(interruptible(options), [] {
                std::raise(SIGINT);
                wait_forever();
            });
            ADD_FAILURE();
        } catch (cancelled const& why) {
            EXPECT_NE(why.reason().find("Ctrl-C"), std::string::npos);
        }
    });
}

TEST(running, main_may_go_on_after_an_interrupt) {
    under_each_setting([](runtime_options const& options) {
        int const result = run(interruptible(options), [] {
            std::raise(SIGINT);
            EXPECT_THROW(wait_forever(), cancelled);
            yield();
            return 5;
        });
        EXPECT_EQ(result, 5);
    });
}

TEST(running, second_interrupt_takes_effect_at_once) {
    under_each_setting([](runtime_options const& options) {
        EXPECT_EXIT(run(interruptible(options),
                        [] {
                            std::raise(SIGINT);
                            try {
                                wait_forever();
                            } catch (cancelled const&) {
                                std::raise(SIGINT);
                            }
                        }),
                    ::testing::KilledBySignal(SIGINT), "");
    });
}

std::atomic<int> interrupts{0};
extern "C" void coir_test_on_interrupt(int) {
    interrupts.fetch_add(1);
}

struct own_interrupt_handler {
    own_interrupt_handler() {
        interrupts = 0;
        std::signal(SIGINT, &coir_test_on_interrupt);
    }
    ~own_interrupt_handler() { std::signal(SIGINT, SIG_DFL); }
};

TEST(running, handlers_of_the_program_are_left_alone) {
    under_each_setting([](runtime_options const& options) {
        own_interrupt_handler const own;
        run(options, [] {
            std::raise(SIGINT);
            EXPECT_NO_THROW(yield());
        });
        EXPECT_EQ(interrupts, 1);
        EXPECT_THROW(run(interruptible(options),
                         [] {
                             std::raise(SIGINT);
                             wait_forever();
                         }),
                     cancelled);
        EXPECT_EQ(interrupts, 1);
    });
}

TEST(running, former_interrupt_handler_comes_back) {
    under_each_setting([](runtime_options const& options) {
        own_interrupt_handler const own;
        run(interruptible(options), [] {});
        std::raise(SIGINT);
        EXPECT_EQ(interrupts, 1);
    });
}

// --- sleep -------------------------------------------------------------------------------------------------------------

COIR_CONFORMS_IN_VIRTUAL_TIME(running, sleep_waits_for_so_long) {
    auto const start = clock::now();
    sleep(90s);
    EXPECT_EQ(clock::now() - start, 90s);
}

std::string three_turns_each(std::chrono::seconds pause) {
    journal<char> turns;
    on_a_strand([&] {
        auto take_turns = [&](char name) {
            for (int i = 0; i < 3; ++i) {
                turns.add(name);
                sleep(pause);
            }
        };
        auto a = spawn(take_turns, 'a');
        auto b = spawn(take_turns, 'b');
        gather(a, b);
    });
    auto const entries = turns.entries();
    return {entries.begin(), entries.end()};
}

COIR_CONFORMS(running, sleep_of_nothing_is_one_turn_for_the_others) {
    EXPECT_EQ(three_turns_each(0s), "ababab");
}

COIR_CONFORMS(running, sleep_of_less_than_nothing_is_one_turn_too) {
    EXPECT_EQ(three_turns_each(-1s), "ababab");
}

COIR_CONFORMS(running, sleep_of_not_a_number) {
    std::chrono::duration<double> const nan(std::numeric_limits<double>::quiet_NaN());
    EXPECT_THROW(sleep(nan), std::invalid_argument);
    EXPECT_THROW(sleep_until(clock::now() + nan), std::invalid_argument);
    EXPECT_THROW(with_timeout(nan, [] {}), std::invalid_argument);
    EXPECT_THROW(with_deadline(clock::now() + nan, [] {}), std::invalid_argument);
    EXPECT_THROW(wait_for([] {}, nan), std::invalid_argument);
    EXPECT_THROW(spawn([] {}).wait_for(nan), std::invalid_argument);
    EXPECT_THROW(call_later(nan, [] {}), std::invalid_argument);
    EXPECT_THROW(interval{nan}, std::invalid_argument);
    EXPECT_THROW(semaphore(1).try_acquire_for(nan), std::invalid_argument);
    EXPECT_THROW(static_cast<void>(after(nan, [] {})), std::invalid_argument);
}

TEST(running, cancelled_sleep_leaves_no_timer) {
    test::under_each_setting_in_virtual_time([](runtime_options const& options) {
        runtime loop(options);
        loop.block_on([] {
            auto sleeper = spawn([] { sleep(1h); });
            settle();
            sleeper.cancel();
            sleeper.wait();
            sleep(2h);
        });
        loop.shutdown();
        EXPECT_EQ(loop.stats().timers_fired, 1u);
    });
}

// --- the order of things -----------------------------------------------------------------------------------------------

COIR_CONFORMS(running, callbacks_run_in_their_order_and_once_each) {
    journal<int> order;
    on_a_strand([&] {
        latch called(5);
        for (int i = 0; i < 5; ++i) {
            call_soon([&, i] {
                order.add(i);
                called.count_down();
            });
        }
        EXPECT_EQ(order.size(), 0u);
        called.wait();
    });
    EXPECT_EQ(order.entries(), (std::vector<int>{0, 1, 2, 3, 4}));
}

COIR_CONFORMS(running, callbacks_added_by_callbacks_come_after_those_that_wait) {
    journal<char> order;
    on_a_strand([&] {
        latch called(3);
        call_soon([&] {
            order.add('a');
            call_soon([&] {
                order.add('c');
                called.count_down();
            });
            called.count_down();
        });
        call_soon([&] {
            order.add('b');
            called.count_down();
        });
        called.wait();
    });
    EXPECT_EQ(order.entries(), (std::vector<char>{'a', 'b', 'c'}));
}

COIR_CONFORMS_IN_VIRTUAL_TIME(running, timers_run_in_the_order_of_their_times) {
    journal<int> order;
    on_a_strand([&] {
        latch called(3);
        for (int const seconds : {3, 1, 2}) {
            call_later(seconds * 1s, [&, seconds] {
                order.add(seconds);
                called.count_down();
            });
        }
        called.wait();
    });
    EXPECT_EQ(order.entries(), (std::vector<int>{1, 2, 3}));
}

// Under no setting: there is no runtime.
TEST(running, outside_of_a_loop_there_is_none) {
    EXPECT_THROW(runtime::current(), no_running_runtime);
    EXPECT_THROW(spawn([] {}), no_running_runtime);
    EXPECT_THROW(call_soon([] {}), no_running_runtime);
}

TEST(running, several_loops_in_one_process) {
    under_each_setting([](runtime_options const& options) {
        runtime one(options);
        runtime two(options);
        auto const here = [] { return &runtime::current(); };
        EXPECT_EQ(one.block_on(here), &one);
        EXPECT_EQ(two.block_on(here), &two);
        EXPECT_EQ(one.block_on(here), &one);
    });
}

// --- who waits for whom ------------------------------------------------------------------------------------------------

/// What the deadlock_error says that `body`, as the main task, ends with.
template <class Body>
std::string deadlock_of(runtime_options const& options, Body const& body) {
    try {
        run(options, [&] { body(); });
    } catch (deadlock_error const& report) {
        return report.what();
    }
    return "no deadlock";
}

TEST(introspection, graph_as_text) {
    under_each_setting([](runtime_options const& options) {
        std::string const report = deadlock_of(options, [] {
            auto inner = spawn({.name = "inner"}, [] { event().wait(); });
            auto outer = spawn({.name = "outer"}, [&] { inner.get(); });
            outer.get();
        });
        EXPECT_NE(report.find("task 'main' waits for a task, namely 'outer'"), std::string::npos) << report;
        EXPECT_NE(report.find("task 'outer' waits for a task, namely 'inner'"), std::string::npos) << report;
        EXPECT_NE(report.find("task 'inner' waits for an event"), std::string::npos) << report;
    });
}

TEST(introspection, awaiters_are_known_through_combinators) {
    under_each_setting([](runtime_options const& options) {
        auto const wait_in_vain = [] { event().wait(); };
        std::function<void(task<void>&)> const combinators[] = {
            [](task<void>& inner) { gather(inner); },
            [](task<void>& inner) { shield(inner); },
            [](task<void>& inner) {
                scope([&](task_group& group) { group.spawn({.name = "inner"}, [&] { inner.get(); }); });
            },
        };
        for (auto const& combinator : combinators) {
            std::string const report = deadlock_of(options, [&] {
                auto inner = spawn({.name = "inner"}, wait_in_vain);
                combinator(inner);
                wait_in_vain();  // a group takes no harm if its child is cancelled first
            });
            EXPECT_NE(report.find("task 'main' waits for "), std::string::npos) << report;
            EXPECT_NE(report.find(" 'inner'\n"), std::string::npos) << report;
        }
    });
}

}  // namespace
}  // namespace coir
