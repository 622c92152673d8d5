// SPDX-License-Identifier: BSL-1.0
//
// Without memory an operation throws std::bad_alloc or does its work all the same; what was there before goes on, and
// afterwards it works. See scarcity.hpp.

#include "tests/no_memory/scarcity.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace coir {
namespace {

using namespace std::chrono_literals;

std::string const k_long_text = "a text that no string keeps in itself";

// Nothing is allocated to throw it.
struct failure {};

struct counted {
    explicit counted(int& n) noexcept : alive(&n) { ++*alive; }
    counted(counted const& other) noexcept : counted(*other.alive) {}
    counted& operator=(counted const&) = delete;
    ~counted() { --*alive; }
    int* alive;
};

TEST(no_memory, what_was_spawned_runs_and_what_was_refused_does_not) {
    run(runtime_options{.workers = 1}, [] {
        int ran = 0;
        int alive = 0;
        std::size_t expected = 600;
        std::vector<task<int>> tasks;
        tasks.reserve(expected);
        auto const check = [&](bool done) {
            auto const spawned = tasks.size();
            EXPECT_TRUE(spawned == expected || !done);
            EXPECT_EQ(take_sum(tasks), static_cast<int>(spawned));
            EXPECT_EQ(std::exchange(ran, 0), static_cast<int>(spawned));
            EXPECT_EQ(alive, 0);
        };
        // So many that the queue and the slabs of records have to grow.
        with_each_allocation_refused(
            [&] {
                for (std::size_t i = 0; i < expected; ++i) {
                    tasks.push_back(
                        spawn([&ran, c = counted(alive), b = std::array<char, 200>{}] { return ++ran, 1 + b[0]; }));
                }
            },
            check);
        expected = 5;
        with_each_allocation_refused(
            [&] {
                auto const count = [&ran, c = counted(alive)] { return ++ran, 1; };
                strand const line;
                tasks.push_back(spawn({.name = k_long_text}, count));
                tasks.push_back(spawn({.stack_size = 1 << 20}, count));
                tasks.push_back(spawn({.strand = line}, count));
                tasks.push_back(spawn({.name = k_long_text, .eager = true}, count));
                tasks.push_back(spawn([count, large = std::array<int, 500>{}] { return count() + large[7]; }));
            },
            check);
    });
}

TEST(no_memory, threads_that_spawn_are_told) {
    runtime rt({.workers = 1});
    std::vector<task<int>> tasks;
    tasks.reserve(300);
    with_each_allocation_refused(
        [&] {
            for (int i = 0; i < 300; ++i) {
                tasks.push_back(rt.spawn([b = std::array<char, 300>{}] { return 1 + b[5]; }));
            }
        },
        [&](bool done) {
            auto const spawned = tasks.size();
            EXPECT_TRUE(spawned == 300 || !done);
            EXPECT_EQ(rt.block_on([&] { return take_sum(tasks); }), static_cast<int>(spawned));
        });
}

TEST(no_memory, tasks_wait_for_their_stacks) {
    run(runtime_options{.workers = 1}, [] {
        for (std::size_t const stack_size : {std::size_t{0}, std::size_t{96} << 10}) {
            int started = 0;
            event gate;
            std::vector<task<int>> tasks;
            for (int i = 0; i < 300; ++i) {
                tasks.push_back(spawn({.stack_size = stack_size}, [&] {
                    ++started;
                    gate.wait();
                    return 1;
                }));
            }
            {
                scarcity const while_they_start;
                yield();
                yield();
                EXPECT_LT(started, 300);
            }
            gate.set();
            EXPECT_EQ(take_sum(tasks), 300);
            EXPECT_EQ(started, 300);
        }
    });
}

// --- groups ------------------------------------------------------------------------------------------------------------

TEST(no_memory, a_group_leaves_no_child_behind) {
    run(runtime_options{.workers = 1}, [] {
        int alive = 0;
        int started = 0;  // without a stack it does not get there
        int ended = 0;
        auto const check = [&](bool) {
            EXPECT_EQ(alive, 0);
            EXPECT_EQ(std::exchange(ended, 0), std::exchange(started, 0));
        };
        with_each_allocation_refused(
            [&] {
                task_group group;
                event never;
                for (int i = 0; i < 40; ++i) {
                    group.spawn([&, c = counted(alive)] {
                        ++started;
                        try {
                            never.wait();
                        } catch (cancelled const&) {
                            ++ended;
                        }
                    });
                }
                yield();
                group.cancel();
                group.wait();
            },
            check);
        with_each_allocation_refused(
            [&] {
                scope([&](task_group& group) {
                    for (int i = 0; i < 40; ++i) {
                        group.spawn([&, c = counted(alive)] {
                            ++started;
                            cancel_shield const shield;
                            yield();
                            ++ended;
                        });
                    }
                });
            },
            check);
    });
}

TEST(no_memory, the_end_of_a_group_needs_none) {
    run(runtime_options{.workers = 1}, [] {
        int ended = 0;
        auto const body = [&ended](int) {
            try {
                sleep(1h);
            } catch (cancelled const&) {
                yield();
                ++ended;
            }
        };
        std::optional<task_group> group(std::in_place);
        for (int i = 0; i < 50; ++i) {
            group->spawn(body, i);
        }
        yield();
        {
            scarcity const nothing;
            EXPECT_THROW(group->cancel(), std::bad_alloc);
            yield();
            EXPECT_EQ(ended, 0);  // it has cancelled nothing
            group.reset();
        }
        EXPECT_EQ(ended, 50);

        // A child's failure ends the others, and its owner's wait ends with them.
        group.emplace();
        for (int i = 0; i < 50; ++i) {
            group->spawn(body, i);
        }
        event fail;
        auto guilty = group->spawn([&] {
            fail.wait();
            throw failure();
        });
        auto owner = spawn([&] { group->wait(); });
        yield();
        fail.set();
        {
            scarcity const nothing;
            while (!guilty.done()) {
                yield();
            }
        }
        EXPECT_THROW(owner.get(), failure);
        EXPECT_EQ(ended, 100);
    });
}

TEST(no_memory, no_failure_of_a_group_is_lost) {
    std::size_t unhandled = 0;
    runtime_options options{.workers = 1};
    options.on_unhandled_exception = [&](task_ref const&, std::exception_ptr const&) { ++unhandled; };
    run(options, [&] {
        std::size_t told = 0;
        std::optional<latch> all;
        auto const fail_together = [&](task_group& group) {
            all.emplace(3);
            for (int i = 0; i < 3; ++i) {
                group.spawn([&] {
                    cancel_shield const shield;
                    all->count_down();
                    all->wait();
                    throw failure();
                });
            }
        };
        std::optional<task_group> group(std::in_place);
        fail_together(*group);
        with_each_allocation_refused(
            [&] {
                try {
                    group->wait();
                } catch (exception_group const& several) {
                    told = several.exceptions().size();
                }
            },
            [&](bool done) {
                group.reset();
                EXPECT_EQ(std::exchange(told, 0), done ? 3u : 0u);
                EXPECT_EQ(std::exchange(unhandled, 0), done ? 0u : 3u);
                group.emplace();
                fail_together(*group);
            });
        group.reset();
        unhandled = 0;
        // A scope tells of one at least.
        std::optional<scarcity> nothing;
        EXPECT_THROW(scope([&](task_group& g) {
                         fail_together(g);
                         cancel_shield const shield;
                         all->wait();
                         nothing.emplace();
                     }),
                     failure);
        nothing.reset();
        EXPECT_EQ(unhandled, 2u);
    });
}

// --- combinators, results and timers -----------------------------------------------------------------------------------

TEST(no_memory, combinators_end_what_they_started_and_leave_alone_what_they_were_given) {
    run(runtime_options{.workers = 1}, [] {
        int alive = 0;
        std::vector<int> values;
        auto const make = [&] {
            return [c = counted(alive)] {
                yield();
                return std::vector<int>(100, 1);
            };
        };
        auto const none_left = [&](bool) { EXPECT_EQ(alive, 0); };
        std::vector<std::function<void()>> const operations{
            [&] { EXPECT_EQ(std::get<1>(gather(make(), make(), make())).size(), 100u); },
            [&] {
                std::vector<decltype(make())> several;
                for (int i = 0; i < 20; ++i) {
                    several.push_back(make());
                }
                EXPECT_EQ(gather(std::move(several)).size(), 20u);
            },
            [&] { EXPECT_EQ(std::get<0>(gather_settled(make(), make())).value().size(), 100u); },
            [&] { EXPECT_EQ(wait_for(make(), 1h).size(), 100u); },
            [&] { EXPECT_EQ(with_timeout(1h, [&] { return spawn(make()).get().size(); }), 100u); },
            [&] { EXPECT_EQ(select(on_ready(make(), [](auto const&) {}), after(1h, [] {})), 0u); },
        };
        for (auto const& operation : operations) {
            with_each_allocation_refused(operation, none_left);
        }

        std::vector<task<int>> tasks;
        auto const renew = [&](bool) {
            for (auto& t : tasks) {
                t.wait();
                EXPECT_FALSE(t.cancelled());
            }
            tasks.clear();
            for (int i = 0; i < 20; ++i) {
                tasks.push_back(spawn([] {
                    yield();
                    return 1;
                }));
            }
        };
        std::vector<std::function<void()>> const of_handles{
            [&] { EXPECT_EQ(gather(tasks).size(), 20u); },
            [&] { EXPECT_EQ(gather_settled(tasks).size(), 20u); },
            [&] { EXPECT_EQ(coir::wait(tasks).done.size(), 20u); },
            [&] { EXPECT_GE(coir::wait(tasks, {.return_when = return_when::first_completed}).done.size(), 1u); },
            [&] {
                for (auto& t : as_completed(tasks)) {
                    EXPECT_EQ(t.get(), 1);
                }
            },
        };
        renew(true);
        for (auto const& operation : of_handles) {
            with_each_allocation_refused(operation, renew);
        }
    });
}

TEST(no_memory, a_promise_is_set_or_it_is_not) {
    run(runtime_options{.workers = 1}, [] {
        struct large {
            std::array<int, 200> numbers{};
        };
        std::optional<promise<std::string>> text;
        std::optional<promise<large>> numbers;
        std::optional<promise<int>> dropped;
        future<std::string> of_text;
        future<large> of_numbers;
        future<int> of_dropped;
        with_each_allocation_refused(
            [&] {
                text.emplace();
                of_text = text->get_future();
                text->set_value(k_long_text);
            },
            [&](bool done) {
                if (done) {
                    EXPECT_EQ(of_text.get(), k_long_text);
                } else if (text) {
                    EXPECT_FALSE(of_text.done());
                    text->set_value(k_long_text);  // it is still to be had
                    EXPECT_EQ(of_text.get(), k_long_text);
                }
                text.reset();
            });
        with_each_allocation_refused(
            [&] {
                numbers.emplace();
                of_numbers = numbers->get_future();
                numbers->set_value();
            },
            [&](bool done) {
                if (!done && numbers) {
                    EXPECT_FALSE(of_numbers.done());
                    EXPECT_TRUE(numbers->try_set_value());
                }
                EXPECT_TRUE(!numbers || of_numbers.get().numbers[7] == 0);
                numbers.reset();
            });
        // Who lets go of a promise, or cancels, cannot be told.
        for (long spared = 0; spared < 4; ++spared) {
            dropped.emplace();
            of_dropped = dropped->get_future();
            promise<int> other;
            auto const of_other = other.get_future();
            {
                scarcity const of_memory(spared);
                dropped.reset();
                EXPECT_TRUE(of_other.cancel("for a reason"));
            }
            EXPECT_THROW(of_dropped.get(), broken_promise);
            EXPECT_TRUE(of_other.cancelled());
        }
    });
}

TEST(no_memory, a_cancellation_gets_through) {
    run(runtime_options{.workers = 1}, [] {
        for (long spared = 0; spared < 6; ++spared) {
            for (bool const awaits : {false, true}) {
                event never;
                std::optional<cancelled> why;
                auto inner = spawn([&] {
                    try {
                        never.wait();
                    } catch (cancelled const& c) {
                        why = c;
                        throw;
                    }
                });
                auto outer = spawn([&] { awaits ? inner.get() : inner.wait(); });
                yield();
                std::string text = k_long_text;
                {
                    scarcity const of_memory(spared);
                    EXPECT_TRUE((awaits ? outer : inner).cancel(std::move(text)));
                    yield();
                    yield();
                }
                EXPECT_TRUE(inner.cancelled());
                ASSERT_TRUE(why);
                EXPECT_TRUE(why->reason().empty() || why->reason() == k_long_text) << why->reason();
                outer.wait();
                EXPECT_EQ(outer.cancelled(), awaits);
            }
        }
        // Nor does a time limit need any when it is over.
        EXPECT_THROW(with_timeout(1ms,
                                  [] {
                                      event never;
                                      scarcity const nothing;
                                      never.wait();
                                  }),
                     timeout_error);
    });
}

TEST(no_memory, a_time_limit_stays_in_force_when_it_cannot_be_moved) {
    run(runtime_options{.workers = 1, .virtual_time = true}, [] {
        EXPECT_THROW(with_timeout(1s,
                                  [](timeout_scope& limit) {
                                      std::vector<task<void>> sleepers;
                                      for (int i = 0; i < 15; ++i) {
                                          sleepers.push_back(spawn([] { sleep(1h); }));
                                      }
                                      yield();
                                      auto const at = limit.when();
                                      {
                                          scarcity const nothing;
                                          EXPECT_THROW(limit.reschedule(at + 1h), std::bad_alloc);
                                      }
                                      EXPECT_EQ(limit.when(), at);
                                      sleep(10s);
                                  }),
                     timeout_error);
    });
}

TEST(no_memory, callbacks_are_called_or_refused) {
    run(runtime_options{.workers = 1}, [] {
        int called = 0;
        int accepted = 0;
        context_var<std::string> inherited("");
        inherited.set(k_long_text);
        event gate;
        auto cause = spawn([&gate] { gate.wait(); });
        yield();
        with_each_allocation_refused(
            [&] {
                cause.on_done([&](task_ref const&) { ++called; });
                ++accepted;
            },
            [](bool) {});
        promise<int> result;
        auto of_result = result.get_future();
        with_each_allocation_refused(
            [&] {
                of_result.on_done([&] { ++called; });
                ++accepted;
            },
            [](bool) {});
        {
            scarcity const nothing;  // when they are started
            gate.set();
            result.set_value(1);
            yield();
        }
        while (called < accepted) {
            yield();
        }
        EXPECT_GE(accepted, 4);
        accepted = called = 0;
        with_each_allocation_refused(
            [&] {
                call_soon([&] { ++called; });
                ++accepted;
                call_later(1us, [&] { ++called; });
                ++accepted;
            },
            [&](bool) {
                while (called < accepted) {
                    yield();
                }
                sleep(1ms);
                EXPECT_EQ(called, accepted);
            });
    });
}

TEST(no_memory, what_a_task_keeps_is_as_it_was) {
    run(runtime_options{.workers = 1}, [] {
        context_var<std::string> variable("default");
        bool was_set = false;
        with_each_allocation_refused(
            [&] {
                spawn([&] {
                    variable.set(k_long_text);
                    was_set = true;
                }).get();
            },
            [&](bool done) { EXPECT_EQ(std::exchange(was_set, false), done); });
        EXPECT_EQ(variable.get(), "default");
        with_each_allocation_refused(
            [&] {
                fiber_local<std::string> local([] { return k_long_text; });
                EXPECT_EQ(*local, k_long_text);
            },
            [](bool) {});
        with_each_allocation_refused(
            [&] {
                generator<int> numbers([](auto& yield) {
                    for (int i = 0; i < 3; ++i) {
                        yield(i);
                    }
                });
                int sum = 0;
                for (int const n : numbers) {
                    sum += n;
                }
                EXPECT_EQ(sum, 3);
                int switches = 0;
                coroutine c([&] { ++switches; });
                c.switch_to();
                EXPECT_EQ(switches, 1);
            },
            [](bool) {});
    });
}

// --- runtimes ----------------------------------------------------------------------------------------------------------

TEST(no_memory, calls_are_forked_as_long_as_there_is_any_and_made_in_any_case) {
    run(runtime_options{.workers = 2}, [] {
        parallel_for(0, 1000, 1, [](int) {});  // makes the fork stack
        scarcity const nothing;
        std::atomic<int> calls{0};
        parallel_for(0, 1000, 1, [&](int i) {
            ++calls;
            if (i % 100 == 0) {
                yield();
            }
        });
        EXPECT_EQ(calls, 1000);
        EXPECT_EQ(parallel_reduce(
                      0, 1000, 1, 0, [](int i) { return i; }, std::plus<>()),
                  499'500);
    });
}

TEST(no_memory, a_runtime_starts_or_does_not_and_always_ends) {
    int ran = 0;
    with_each_allocation_refused<std::system_error>(
        [&] {
            runtime rt({.workers = 2, .pin_workers = true, .name = "a name that is a bit long"});
            EXPECT_EQ(rt.block_on([&] { return ++ran; }), 1);
        },
        [&](bool done) { EXPECT_EQ(std::exchange(ran, 0) == 1, done); });
}

TEST(no_memory, a_runtime_shuts_down_without) {
    int ended = 0;
    std::optional<runtime> rt(runtime_options{.workers = 1});
    rt->block_on([&] {
        for (int i = 0; i < 10; ++i) {
            spawn([&] {
                try {
                    sleep(1h);
                } catch (cancelled const&) {
                    ++ended;
                }
            }).detach();
        }
        yield();
    });
    scarcity const nothing;
    rt.reset();
    EXPECT_EQ(ended, 10);
}

TEST(no_memory, a_blocking_call_is_made_or_refused) {
    run(runtime_options{.workers = 1}, [] {
        int made = 0;
        with_each_allocation_refused<std::system_error>(
            [&] { EXPECT_EQ(blocking([&] { return ++made; }), 1); },
            [&](bool done) { EXPECT_EQ(std::exchange(made, 0) == 1, done); });
    });
}

TEST(no_memory, exceptions_that_nobody_looks_at_are_reported) {
    ::testing::internal::CaptureStderr();
    run(runtime_options{.workers = 1}, [] {
        spawn({.name = k_long_text}, [] { throw std::out_of_range("of all"); }).detach();
        scarcity nothing(1);  // for the message of the exception
        yield();
    });
    auto const told = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(told.find(k_long_text + "'"), std::string::npos) << told;
    EXPECT_NE(told.find("of all"), std::string::npos) << told;
}

}  // namespace
}  // namespace coir
