// SPDX-License-Identifier: BSL-1.0
#include "tests/support/running.hpp"

#include <coir/core/task/future.hpp>
#include <coir/core/task/generator.hpp>
#include <coir/core/task/timeout.hpp>

#include <gmock/gmock.h>

#include <atomic>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <unistd.h>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;
using test::sleep_forever;
using test::yield_until_waiting;
using testing::ElementsAre;
using testing::IsEmpty;

static_assert(std::ranges::input_range<generator<int>>);
static_assert(std::ranges::input_range<generator<std::unique_ptr<int>>>);
static_assert(std::ranges::input_range<generator<std::string const&>>);
static_assert(std::same_as<std::ranges::range_reference_t<generator<int>>, int&>);
static_assert(std::same_as<std::ranges::range_value_t<generator<std::string const&>>, std::string>);
static_assert(!std::copyable<generator<int>> && std::movable<generator<int>>);
static_assert(!std::derived_from<generator_exit, std::exception>);

generator<int> count_to(int last) {
    return generator<int>([last](auto& yield) {
        for (int i = 1; i <= last; ++i) {
            yield(i);
        }
    });
}

template <class T>
std::vector<std::remove_cvref_t<T>> all_of(generator<T> g) {
    std::vector<std::remove_cvref_t<T>> all;
    for (auto& x : g) {
        all.push_back(std::move(x));
    }
    return all;
}

// ---- what it gives

TEST(generator, elements_come_in_order_in_a_task) {
    on_one_and_four_workers([] { EXPECT_THAT(all_of(count_to(4)), ElementsAre(1, 2, 3, 4)); });
}

TEST(generator, elements_come_in_order_on_a_plain_thread) {
    EXPECT_THAT(all_of(count_to(4)), ElementsAre(1, 2, 3, 4));
}

TEST(generator, body_starts_with_begin_and_runs_up_to_the_element_that_is_asked_for) {
    std::vector<std::string> events;
    generator<int> g([&](auto& yield) {
        events.emplace_back("starts");
        yield(1);
        events.emplace_back("goes on");
        yield(2);
        events.emplace_back("ends");
    });
    EXPECT_THAT(events, IsEmpty());
    auto it = g.begin();
    EXPECT_THAT(events, ElementsAre("starts"));
    ++it;
    EXPECT_THAT(events, ElementsAre("starts", "goes on"));
    EXPECT_EQ(*it, 2);
    it++;
    EXPECT_TRUE(it == g.end());
    EXPECT_THAT(events, ElementsAre("starts", "goes on", "ends"));
}

TEST(generator, one_that_yields_nothing_is_empty) {
    EXPECT_THAT(all_of(generator<int>([](auto&) {})), IsEmpty());
}

TEST(generator, algorithms_take_it) {
    std::vector<int> all;
    std::ranges::copy(count_to(3), std::back_inserter(all));
    EXPECT_THAT(all, ElementsAre(1, 2, 3));
}

TEST(generator, loop_that_was_left_goes_on_at_its_element) {
    auto g = count_to(4);
    for (int const x : g) {
        if (x == 2) {
            break;
        }
    }
    std::vector<int> rest;
    for (int const x : g) {
        rest.push_back(x);
    }
    EXPECT_THAT(rest, ElementsAre(2, 3, 4));
    EXPECT_TRUE(g.begin() == g.end());
}

TEST(generator, elements_may_be_move_only_and_moved_from) {
    generator<std::unique_ptr<int>> g([](auto& yield) {
        yield(std::make_unique<int>(1));
        auto mine = std::make_unique<int>(2);
        yield(std::move(mine));
        EXPECT_EQ(mine, nullptr);
    });
    auto const all = all_of(std::move(g));
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(*all[0] + *all[1], 3);
}

TEST(generator, what_the_consumer_does_to_an_element_does_not_reach_the_bodys_own) {
    std::string mine = "mine";
    generator<std::string> g([&](auto& yield) { yield(mine); });
    for (auto& x : g) {
        x += " changed";
    }
    EXPECT_EQ(mine, "mine");
}

TEST(generator, references_are_the_bodys_own) {
    std::vector<int> numbers{1, 2, 3};
    generator<int&> g([&](auto& yield) {
        for (int& n : numbers) {
            yield(n);
        }
    });
    for (int& n : g) {
        n *= 10;
    }
    EXPECT_THAT(numbers, ElementsAre(10, 20, 30));
}

TEST(generator, yields_out_of_functions_that_it_calls) {
    struct tree {
        static void walk(int depth, generator<int>::yielder& yield) {
            if (depth > 0) {
                walk(depth - 1, yield);
                yield(depth);
                walk(depth - 1, yield);
            }
        }
    };
    EXPECT_THAT(all_of(generator<int>([](auto& yield) { tree::walk(3, yield); })), ElementsAre(1, 2, 1, 3, 1, 2, 1));
}

TEST(generator, yields_from_other_generators_and_ranges) {
    generator<int> g([](auto& yield) {
        yield(0);
        yield.from(count_to(2));
        yield.from(std::vector<int>{7, 8});
        auto named = count_to(1);
        yield.from(named);
    });
    EXPECT_THAT(all_of(std::move(g)), ElementsAre(0, 1, 2, 7, 8, 1));
}

TEST(generator, body_may_yield_from_inside_of_a_generator_that_it_consumes) {
    std::vector<std::string> events;
    {
        generator<int> outer([&](auto& yield) {
            generator<int> inner([&](auto& yield_inner) {
                yield(10);  // suspends the inner one together with the outer
                yield_inner(1);
                try {
                    yield(20);
                } catch (generator_exit const&) {
                    events.emplace_back("inner unwinds");
                    throw;
                }
            });
            for (int const x : inner) {
                yield(x);
            }
        });
        auto it = outer.begin();
        EXPECT_EQ(*it, 10);
        EXPECT_EQ(*++it, 1);
        EXPECT_EQ(*++it, 20);
    }
    EXPECT_THAT(events, ElementsAre("inner unwinds"));
}

TEST(generator, deeply_nested_ones_go_on_independently) {
    constexpr int k_depth = 50;
    on_one_and_four_workers([] {
        std::function<generator<int>(int)> nested = [&](int depth) {
            return generator<int>([&nested, depth](auto& yield) {
                yield(depth);
                if (depth < k_depth) {
                    coir::yield();
                    yield.from(nested(depth + 1));
                }
            });
        };
        int expected = 0;
        for (int const x : nested(0)) {
            EXPECT_EQ(x, expected++);
        }
        EXPECT_EQ(expected, k_depth + 1);
    });
}

// ---- waiting in the body

TEST(generator, body_that_waits_suspends_only_the_task_that_consumes) {
    run(runtime_options{.workers = 1}, [] {
        std::vector<std::string> events;
        promise<void> go;
        auto gate = go.get_future();
        auto consumer = spawn([&] {
            generator<int> g([&](auto& yield) {
                gate.get();
                yield(1);
            });
            for (int const x : g) {
                events.push_back("got " + std::to_string(x));
            }
        });
        yield_until_waiting(consumer);
        events.emplace_back("others run");
        go.set_value();
        consumer.get();
        EXPECT_THAT(events, ElementsAre("others run", "got 1"));
    });
}

TEST(generator, tasks_interleave_at_every_wait_of_a_body) {
    run(runtime_options{.workers = 1, .virtual_time = true}, [] {
        std::vector<std::string> events;
        auto const consume = [&](std::string const& name, std::chrono::milliseconds step) {
            generator<int> ticks([step](auto& yield) {
                for (int i = 1;; ++i) {
                    sleep(step);
                    yield(i);
                }
            });
            for (int const x : ticks) {
                events.push_back(name + std::to_string(x));
                if (x == 2) {
                    return;
                }
            }
        };
        auto a = spawn([&] { consume("a", std::chrono::milliseconds(20)); });
        auto b = spawn([&] { consume("b", std::chrono::milliseconds(15)); });
        a.get();
        b.get();
        EXPECT_THAT(events, ElementsAre("b1", "a1", "b2", "a2"));
    });
}

TEST(generator, body_awaits_tasks_that_run_in_its_place_and_suspend_there) {
    on_one_and_four_workers([] {
        generator<int> g([](auto& yield) {
            for (int i = 0; i < 20; ++i) {
                yield(spawn([i] {
                          generator<int> inner([i](auto& inner_yield) {
                              coir::yield();
                              inner_yield(i);
                          });
                          coir::yield();
                          return *inner.begin();
                      }).get());
            }
        });
        int expected = 0;
        for (int const x : g) {
            EXPECT_EQ(x, expected++);
        }
        EXPECT_EQ(expected, 20);
    });
}

TEST(generator, bodies_that_wait_move_between_workers_with_their_tasks) {
    constexpr int k_tasks = 16;
    constexpr int k_elements = 400;
    run(runtime_options{.workers = 4}, [] {
        std::atomic<int> moves{0};
        std::vector<task<long>> tasks;
        for (int t = 0; t < k_tasks; ++t) {
            tasks.push_back(spawn([&] {
                generator<int> numbers([&](auto& yield) {
                    auto before = ::gettid();
                    for (int i = 0; i < k_elements; ++i) {
                        coir::yield();
                        auto const now = ::gettid();
                        moves += now != before;
                        before = now;
                        yield(i);
                    }
                });
                generator<int> even([&](auto& yield) {
                    for (int const x : numbers) {
                        coir::yield();
                        if (x % 2 == 0) {
                            yield(x);
                        }
                    }
                });
                long sum = 0;
                for (int const x : even) {
                    coir::yield();
                    sum += x;
                }
                return sum;
            }));
        }
        long expected = 0;
        for (int i = 0; i < k_elements; i += 2) {
            expected += i;
        }
        for (auto& t : tasks) {
            EXPECT_EQ(t.get(), expected);
        }
        RecordProperty("moves", moves.load());
    });
}

TEST(generator, body_goes_on_on_the_worker_that_took_its_task) {
    // Two workers, of which the one that suspended the body is kept until the body has gone on: on the other one.
    run(runtime_options{.workers = 2}, [] {
        promise<void> go;
        auto gate = go.get_future();
        std::atomic<bool> went_on{false};
        generator<bool> g([&](auto& yield) {
            auto const before = ::gettid();
            auto keeper = spawn([&, before] {
                // On the worker that the body leaves, or else the other one does its part.
                bool const same = ::gettid() == before;
                go.set_value();
                while (!went_on) {
                    std::this_thread::yield();
                }
                return same;
            });
            gate.get();
            bool const moved = ::gettid() != before;
            went_on = true;
            yield(keeper.get() == moved);
        });
        EXPECT_TRUE(*g.begin());
    });
}

TEST(generator, on_a_plain_thread_waits_of_the_body_block_the_thread) {
    promise<int> p;
    auto f = p.get_future();
    std::thread setter([&p] { p.set_value(5); });
    generator<int> g([&](auto& yield) { yield(f.get()); });
    EXPECT_THAT(all_of(std::move(g)), ElementsAre(5));
    setter.join();
}

TEST(generator, may_be_handed_between_threads_and_tasks_of_several_runtimes) {
    auto g = count_to(4);
    auto it = g.begin();
    std::thread([&] { EXPECT_EQ(*++it, 2); }).join();
    run([&] { EXPECT_EQ(*++it, 3); });
    run([&] { EXPECT_EQ(*++it, 4); });
    ++it;
    EXPECT_TRUE(it == g.end());
}

// ---- exceptions

TEST(generator, exception_of_the_body_leaves_at_begin_or_at_the_next_element) {
    on_one_and_four_workers([] {
        generator<int> at_once([](auto&) { throw std::runtime_error("at once"); });
        EXPECT_THROW(at_once.begin(), std::runtime_error);
        EXPECT_TRUE(at_once.begin() == at_once.end());

        generator<int> later([](auto& yield) {
            yield(1);
            coir::yield();
            throw std::logic_error("later");
        });
        auto it = later.begin();
        EXPECT_THROW(++it, std::logic_error);
        EXPECT_TRUE(it == later.end());
        ++it;
        EXPECT_TRUE(it == later.end());
    });
}

TEST(generator, exception_passes_through_nested_generators) {
    generator<int> g([](auto& yield) {
        yield.from(generator<int>([](auto& inner) {
            inner(1);
            throw std::runtime_error("from below");
        }));
    });
    auto it = g.begin();
    EXPECT_THROW(++it, std::runtime_error);
}

TEST(generator, throw_in_a_catch_block_rethrows_the_own_exception_on_both_sides) {
    on_one_and_four_workers([] {
        generator<int> g([](auto& yield) {
            EXPECT_EQ(std::current_exception(), nullptr);
            for (int i = 0;; ++i) {
                try {
                    try {
                        throw i;
                    } catch (...) {
                        yield(i);
                        coir::yield();
                        throw;
                    }
                } catch (int mine) {
                    EXPECT_EQ(mine, i);
                }
            }
        });
        for (int round = 0; round < 100; ++round) {
            try {
                try {
                    throw std::runtime_error(std::to_string(round));
                } catch (...) {
                    auto it = g.begin();
                    ++it;
                    coir::yield();
                    throw;
                }
            } catch (std::runtime_error const& mine) {
                EXPECT_EQ(mine.what(), std::to_string(round));
            }
        }
        EXPECT_EQ(std::current_exception(), nullptr);
    });
}

TEST(generator, each_side_counts_its_own_uncaught_exceptions) {
    on_one_and_four_workers([] {
        struct yields_when_it_dies {
            generator<int>::yielder& yield;
            ~yields_when_it_dies() {
                EXPECT_EQ(std::uncaught_exceptions(), 1);
                yield(1);
                coir::yield();
                EXPECT_EQ(std::uncaught_exceptions(), 1);
            }
        };
        struct iterates_when_it_dies {
            ~iterates_when_it_dies() {
                EXPECT_EQ(std::uncaught_exceptions(), 1);
                generator<int> g([](auto& yield) {
                    EXPECT_EQ(std::uncaught_exceptions(), 0);
                    coir::yield();
                    yield(1);
                });
                EXPECT_THAT(all_of(std::move(g)), ElementsAre(1));
                EXPECT_EQ(std::uncaught_exceptions(), 1);
            }
        };
        generator<int> g([](auto& yield) {
            try {
                yields_when_it_dies const dies{yield};
                throw 1;
            } catch (int) {
            }
        });
        for (int const x : g) {
            EXPECT_EQ(x, 1);
            EXPECT_EQ(std::uncaught_exceptions(), 0);
        }
        try {
            iterates_when_it_dies const dies;
            throw 1;
        } catch (int) {
        }
    });
}

// ---- the end

struct notes_its_end {
    std::vector<std::string>& events;
    char const* what;
    ~notes_its_end() { events.emplace_back(what); }
};

TEST(generator, destroying_an_unfinished_one_throws_generator_exit_in_its_body) {
    on_one_and_four_workers([] {
        std::vector<std::string> events;
        {
            generator<int> g([&](auto& yield) {
                notes_its_end const end{events, "frame unwound"};
                try {
                    yield(1);
                } catch (std::exception const&) {
                    ADD_FAILURE() << "it is no std::exception";
                } catch (generator_exit const&) {
                    events.emplace_back("exit");
                    throw;
                }
            });
            g.begin();
        }
        EXPECT_THAT(events, ElementsAre("exit", "frame unwound"));
    });
}

TEST(generator, one_that_never_began_ends_without_running) {
    bool ran = false;
    {
        generator<int> g([&](auto&) { ran = true; });
    }
    EXPECT_FALSE(ran);
}

TEST(generator, assigning_over_an_unfinished_one_ends_it) {
    std::vector<std::string> events;
    generator<int> g([&](auto& yield) {
        notes_its_end const end{events, "first ended"};
        yield(1);
    });
    g.begin();
    g = count_to(2);
    EXPECT_THAT(events, ElementsAre("first ended"));
    EXPECT_EQ(*g.begin(), 1);
}

TEST(generator, body_that_swallows_the_exit_meets_it_again_at_its_next_yield) {
    int met = 0;
    {
        generator<int> g([&](auto& yield) {
            while (met < 3) {
                try {
                    yield(1);
                } catch (generator_exit const&) {
                    ++met;
                }
            }
        });
        g.begin();
    }
    EXPECT_EQ(met, 3);
}

TEST(generator, nested_ones_unwind_from_the_inside) {
    std::vector<std::string> events;
    {
        generator<int> g([&](auto& yield) {
            notes_its_end const end{events, "outer"};
            generator<int> inner([&](auto& inner_yield) {
                notes_its_end const inner_end{events, "inner"};
                inner_yield(1);
                inner_yield(2);
            });
            yield.from(inner);
        });
        g.begin();
    }
    EXPECT_THAT(events, ElementsAre("inner", "outer"));
}

TEST(generator, clean_up_of_the_body_may_wait_and_is_not_cancelled) {
    on_one_and_four_workers([] {
        bool cleaned = false;
        auto t = spawn([&] {
            generator<int> g([&](auto& yield) {
                try {
                    yield(1);
                } catch (generator_exit const&) {
                    coir::yield();  // no cancellation comes in, though one is pending
                    cleaned = true;
                    throw;
                }
            });
            g.begin();
            sleep_forever();
        });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_TRUE(cleaned);
    });
}

TEST(generator, exception_of_a_body_that_is_destroyed_is_reported) {
    std::atomic<int> reported{0};
    run(runtime_options{.workers = 1,
                        .on_unhandled_exception =
                            [&](task_ref const& t, std::exception_ptr const& error) {
                                EXPECT_EQ(t.name(), "consumer");
                                EXPECT_THROW(std::rethrow_exception(error), std::runtime_error);
                                ++reported;
                            }},
        [] {
            spawn(task_options{.name = "consumer"}, [] {
                generator<int> g([](auto& yield) {
                    try {
                        yield(1);
                    } catch (generator_exit const&) {
                        throw std::runtime_error("cannot clean up");
                    }
                });
                g.begin();
            }).get();
        });
    EXPECT_EQ(reported, 1);
}

TEST(generator, task_cancelled_while_a_nested_body_waits_unwinds_all_of_it) {
    on_one_and_four_workers([] {
        std::vector<std::string> events;
        auto t = spawn([&] {
            notes_its_end const end{events, "task"};
            generator<int> outer([&](auto& yield) {
                notes_its_end const outer_end{events, "outer"};
                yield.from(generator<int>([&](auto& inner_yield) {
                    notes_its_end const inner_end{events, "inner"};
                    inner_yield(1);
                    sleep_forever();
                }));
            });
            for (int const x : outer) {
                EXPECT_EQ(x, 1);
            }
        });
        yield_until_waiting(t);
        t.cancel("enough");
        try {
            t.get();
            ADD_FAILURE() << "it was cancelled";
        } catch (cancelled const& why) {
            EXPECT_EQ(why.reason(), "enough");
        }
        EXPECT_THAT(events, ElementsAre("inner", "outer", "task"));
    });
}

TEST(generator, body_may_swallow_a_cancellation_and_go_on) {
    on_one_and_four_workers([] {
        auto t = spawn([] {
            generator<int> g([](auto& yield) {
                try {
                    sleep_forever();
                } catch (cancelled const&) {
                    yield(7);
                }
            });
            return *g.begin();
        });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_EQ(t.get(), 7);
    });
}

TEST(generator, time_limit_of_the_consumer_ends_a_wait_of_the_body) {
    run(runtime_options{.workers = 1, .virtual_time = true}, [] {
        generator<int> g([](auto& yield) {
            yield(1);
            sleep_forever();
        });
        auto it = g.begin();
        EXPECT_THROW(with_timeout(k_a_moment, [&] { ++it; }), timeout_error);
        EXPECT_TRUE(it == g.end());
    });
}

TEST(generator, body_is_not_cancelled_while_its_consumer_unwinds) {
    on_one_and_four_workers([] {
        struct iterates_when_it_dies {
            int& seen;
            ~iterates_when_it_dies() {
                current_task().cancel();
                generator<int> g([](auto& yield) {
                    coir::yield();  // would throw into a destructor
                    yield(1);
                });
                seen = *g.begin();
            }
        };
        int seen = 0;
        try {
            iterates_when_it_dies const dies{seen};
            throw std::runtime_error("unwinds");
        } catch (std::runtime_error const&) {
        }
        EXPECT_EQ(seen, 1);
        EXPECT_THROW(yield(), cancelled);
    });
}

TEST(generator, shutdown_ends_tasks_inside_of_bodies) {
    std::vector<std::string> events;
    run(runtime_options{.workers = 1}, [&] {
        auto t = spawn([&] {
            generator<int> g([&](auto&) {
                notes_its_end const end{events, "body unwound"};
                sleep_forever();
            });
            g.begin();
        });
        yield_until_waiting(t);
    });
    EXPECT_THAT(events, ElementsAre("body unwound"));
}

// ---- misuse

TEST(generator, body_that_resumes_its_own_generator_gets_invalid_state) {
    generator<int>* self = nullptr;
    generator<int> g([&](auto& yield) {
        EXPECT_THROW(++self->begin(), invalid_state);
        yield(1);
    });
    self = &g;
    EXPECT_THAT(all_of(std::move(g)), ElementsAre(1));
}

TEST(generator, second_consumer_gets_invalid_state_while_the_body_waits_for_the_first) {
    on_one_and_four_workers([] {
        promise<void> go;
        auto gate = go.get_future();
        generator<int> g([&](auto& yield) {
            yield(0);
            gate.get();
            yield(1);
        });
        auto it = g.begin();
        auto first = spawn([&] { return *++it; });
        yield_until_waiting(first);
        EXPECT_THROW(++it, invalid_state);
        go.set_value();
        EXPECT_EQ(first.get(), 1);
    });
}

TEST(generator, another_task_of_the_body_must_not_yield) {
    on_one_and_four_workers([] {
        generator<int> g([](auto& yield) {
            EXPECT_THROW(spawn([&] { yield(1); }).get(), invalid_state);
            auto started = spawn([&] {
                coir::yield();
                yield(1);
            });
            started.wait();
            EXPECT_THROW(started.get(), invalid_state);
            yield(2);
        });
        EXPECT_THAT(all_of(std::move(g)), ElementsAre(2));
    });
}

TEST(generator, one_that_was_moved_from_says_so) {
    auto g = count_to(1);
    auto other = std::move(g);
    EXPECT_THROW(g.begin(), invalid_state);  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(*other.begin(), 1);
}

TEST(generator, stack_size_is_the_bodys) {
    constexpr std::size_t k_large = std::size_t{2} << 20;
    generator<std::size_t> g(
        [](auto& yield) {
            char volatile frame[k_large / 2];
            frame[0] = 1;
            yield(sizeof frame + static_cast<std::size_t>(frame[0]));
        },
        k_large);
    EXPECT_EQ(*g.begin(), k_large / 2 + 1);
}

}  // namespace
}  // namespace coir
