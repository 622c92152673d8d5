// SPDX-License-Identifier: BSL-1.0
#include "tests/support/running.hpp"

#include <coir/core/task/coroutine.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/generator.hpp>

#include <gmock/gmock.h>

#include <atomic>
#include <exception>
#include <functional>
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
using test::sleep_forever;
using test::yield_until_waiting;
using testing::ElementsAre;
using testing::IsEmpty;

// Everything that holds in tasks holds on a plain thread too.
template <class F>
void in_tasks_and_on_a_thread(F const& body) {
    on_one_and_four_workers(body);
    SCOPED_TRACE("on a plain thread");
    std::thread(body).join();
}

struct notes_its_end {
    std::vector<std::string>& events;
    char const* what;
    ~notes_its_end() { events.emplace_back(what); }
};

struct waits_at_its_end {
    promise<void>& begun;
    future<void>& go_on;
    ~waits_at_its_end() {
        begun.set_value();
        go_on.get();
    }
};

// ---- switching

TEST(coroutine, two_that_switch_to_each_other_take_turns) {
    in_tasks_and_on_a_thread([] {
        std::vector<int> order;
        std::optional<coroutine> second;
        coroutine first([&] {
            order.push_back(1);
            second->switch_to();
            order.push_back(2);
            second->switch_to();
            ADD_FAILURE() << "nobody comes back here";
        });
        second.emplace([&] {
            order.push_back(3);
            first.switch_to();
            order.push_back(4);
        });
        first.switch_to();
        EXPECT_THAT(order, ElementsAre(1, 3, 2, 4));
        EXPECT_FALSE(first.done());
        EXPECT_TRUE(second->done());
    });
}

TEST(coroutine, body_starts_with_the_first_switch) {
    in_tasks_and_on_a_thread([] {
        bool ran = false;
        coroutine c([&] { ran = true; });
        EXPECT_FALSE(ran);
        EXPECT_FALSE(c.done());
        c.switch_to();
        EXPECT_TRUE(ran);
        EXPECT_TRUE(c.done());
    });
}

TEST(coroutine, current_names_the_one_that_runs_and_the_way_back) {
    in_tasks_and_on_a_thread([] {
        coroutine& root = coroutine::current();
        std::vector<int> order;
        coroutine c([&] {
            EXPECT_TRUE(coroutine::current() == c);
            order.push_back(1);
            root.switch_to();
            order.push_back(3);
        });
        c.switch_to();
        EXPECT_TRUE(coroutine::current() == root);
        order.push_back(2);
        c.switch_to();
        EXPECT_THAT(order, ElementsAre(1, 2, 3));
        EXPECT_TRUE(c.done());
        EXPECT_FALSE(root.done());
        root.switch_to();  // is current: nothing happens
    });
}

TEST(coroutine, one_that_ends_goes_back_to_the_one_that_made_it) {
    in_tasks_and_on_a_thread([] {
        std::vector<std::string> order;
        std::optional<coroutine> child;
        coroutine stranger([&] {
            child->switch_to();
            ADD_FAILURE() << "the child ends in its parent, not in who switched to it";
        });
        coroutine parent([&] {
            child.emplace([&] { order.emplace_back("child"); });
            stranger.switch_to();
            order.emplace_back("parent");
        });
        parent.switch_to();
        order.emplace_back("root");
        EXPECT_THAT(order, ElementsAre("child", "parent", "root"));
    });
}

TEST(coroutine, one_whose_parent_has_ended_goes_to_that_ones_parent) {
    in_tasks_and_on_a_thread([] {
        std::optional<coroutine> child;
        coroutine parent([&] { child.emplace([] {}); });
        parent.switch_to();
        ASSERT_TRUE(parent.done());
        child->switch_to();
        EXPECT_TRUE(child->done());
    });
}

TEST(coroutine, many_switches_keep_every_local) {
    in_tasks_and_on_a_thread([] {
        constexpr int k_coroutines = 20;
        constexpr int k_rounds = 50;
        coroutine& root = coroutine::current();
        std::vector<coroutine> all;
        int steps = 0;
        for (int i = 0; i < k_coroutines; ++i) {
            all.emplace_back([&, i] {
                int own = i;
                for (int round = 0; round < k_rounds; ++round) {
                    EXPECT_EQ(own, i + round);
                    ++own;
                    ++steps;
                    root.switch_to();
                }
            });
        }
        for (int round = 0; round <= k_rounds; ++round) {
            for (auto& c : all) {
                c.switch_to();
            }
        }
        EXPECT_EQ(steps, k_coroutines * k_rounds);
        for (auto& c : all) {
            EXPECT_TRUE(c.done());
        }
    });
}

// ---- waiting

TEST(coroutine, one_that_waits_suspends_the_task_and_goes_on_where_it_was) {
    run(runtime_options{.workers = 1}, [] {
        std::vector<std::string> events;
        promise<void> go;
        auto gate = go.get_future();
        auto t = spawn([&] {
            coroutine c([&] {
                gate.get();
                events.emplace_back("coroutine");
            });
            c.switch_to();
            events.emplace_back("task");
        });
        yield_until_waiting(t);
        events.emplace_back("others run");
        go.set_value();
        t.get();
        EXPECT_THAT(events, ElementsAre("others run", "coroutine", "task"));
    });
}

TEST(coroutine, coroutines_move_between_workers_with_their_task) {
    run(runtime_options{.workers = 4}, [] {
        std::vector<task<int>> tasks;
        for (int t = 0; t < 16; ++t) {
            tasks.push_back(spawn([] {
                coroutine& root = coroutine::current();
                int steps = 0;
                auto const body = [&] {
                    for (int i = 0; i < 200; ++i) {
                        yield();
                        ++steps;
                        root.switch_to();
                        EXPECT_FALSE(coroutine::current() == root);
                    }
                };
                coroutine a(body);
                coroutine b(body);
                while (!a.done() || !b.done()) {
                    if (!a.done()) {
                        a.switch_to();
                    }
                    yield();
                    if (!b.done()) {
                        b.switch_to();
                    }
                }
                return steps;
            }));
        }
        for (auto& t : tasks) {
            EXPECT_EQ(t.get(), 400);
        }
    });
}

TEST(coroutine, each_task_has_its_own_root) {
    on_one_and_four_workers([] {
        coroutine& mine = coroutine::current();
        // Runs in the place of who awaits it, on the same stack.
        EXPECT_FALSE(spawn([&] { return coroutine::current() == mine; }).get());
        coroutine c([&] { EXPECT_FALSE(spawn([&] { return coroutine::current() == c; }).get()); });
        c.switch_to();
        EXPECT_TRUE(coroutine::current() == mine);
    });
}

TEST(coroutine, generator_goes_on_after_its_body_has_switched_away) {
    in_tasks_and_on_a_thread([] {
        coroutine& root = coroutine::current();
        std::vector<int> seen;
        coroutine c([&] {
            generator<int> g([&](auto& yield) {
                yield(1);
                root.switch_to();  // leaves the consumer as well
                yield(2);
            });
            for (int const x : g) {
                seen.push_back(x);
            }
        });
        c.switch_to();
        EXPECT_THAT(seen, ElementsAre(1));
        c.switch_to();
        EXPECT_THAT(seen, ElementsAre(1, 2));
    });
}

// ---- exceptions

TEST(coroutine, exception_that_leaves_it_is_thrown_in_its_parent) {
    in_tasks_and_on_a_thread([] {
        coroutine c([] { throw std::runtime_error("left"); });
        EXPECT_THROW(c.switch_to(), std::runtime_error);
        EXPECT_TRUE(c.done());
    });
}

TEST(coroutine, each_one_keeps_the_exceptions_that_it_handles) {
    in_tasks_and_on_a_thread([] {
        coroutine& root = coroutine::current();
        auto const body = [&] {
            EXPECT_EQ(std::current_exception(), nullptr);
            EXPECT_EQ(std::uncaught_exceptions(), 0);
            for (int i = 0; i < 20; ++i) {
                try {
                    try {
                        throw i;
                    } catch (...) {
                        root.switch_to();
                        throw;
                    }
                } catch (int mine) {
                    EXPECT_EQ(mine, i);
                }
            }
        };
        coroutine a(body);
        coroutine b(body);
        while (!a.done()) {
            try {
                try {
                    throw std::runtime_error("of the root");
                } catch (...) {
                    a.switch_to();
                    b.switch_to();
                    throw;
                }
            } catch (std::runtime_error const& mine) {
                EXPECT_STREQ(mine.what(), "of the root");
            }
        }
        EXPECT_TRUE(b.done());
    });
}

TEST(coroutine, cancellation_unwinds_from_the_one_that_waits) {
    on_one_and_four_workers([] {
        std::vector<std::string> events;
        auto t = spawn([&] {
            notes_its_end const end{events, "task"};
            coroutine c([&] {
                notes_its_end const c_end{events, "coroutine"};
                sleep_forever();
            });
            c.switch_to();
        });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_THAT(events, ElementsAre("coroutine", "task"));
    });
}

// ---- the end

TEST(coroutine, unfinished_one_unwinds_when_its_last_handle_goes) {
    in_tasks_and_on_a_thread([] {
        coroutine& root = coroutine::current();
        std::vector<std::string> events;
        {
            coroutine c([&] {
                notes_its_end const end{events, "unwound"};
                root.switch_to();
            });
            c.switch_to();
            auto const copy = c;
            c = coroutine([] {});
            EXPECT_THAT(events, IsEmpty());
        }
        EXPECT_THAT(events, ElementsAre("unwound"));
        EXPECT_TRUE(coroutine::current() == root);
    });
}

TEST(coroutine, one_that_swallows_its_exit_and_switches_meets_it_again) {
    in_tasks_and_on_a_thread([] {
        coroutine& root = coroutine::current();
        int met = 0;
        {
            coroutine c([&] {
                while (met < 3) {
                    try {
                        root.switch_to();
                    } catch (generator_exit const&) {
                        ++met;
                    }
                }
            });
            c.switch_to();
        }
        EXPECT_EQ(met, 3);
    });
}

TEST(coroutine, children_that_a_body_owns_unwind_with_it) {
    in_tasks_and_on_a_thread([] {
        coroutine& root = coroutine::current();
        std::vector<std::string> events;
        {
            coroutine c([&] {
                notes_its_end const end{events, "parent"};
                coroutine child([&] {
                    notes_its_end const child_end{events, "child"};
                    root.switch_to();
                });
                child.switch_to();
            });
            c.switch_to();
        }
        EXPECT_THAT(events, ElementsAre("child", "parent"));
    });
}

TEST(coroutine, one_that_drops_its_own_last_handle_ends_when_it_switches_away) {
    in_tasks_and_on_a_thread([] {
        coroutine& root = coroutine::current();
        std::vector<std::string> events;
        std::optional<coroutine> c;
        c.emplace([&] {
            notes_its_end const end{events, "unwound"};
            c.reset();
            events.emplace_back("runs on");
            root.switch_to();
            ADD_FAILURE() << "nobody can come back here";
        });
        c->switch_to();
        EXPECT_THAT(events, ElementsAre("runs on", "unwound"));
    });
}

TEST(coroutine, one_that_outlives_its_task_unwinds_in_whoever_drops_it) {
    on_one_and_four_workers([] {
        std::vector<std::string> events;
        {
            auto c = spawn([&] {
                         coroutine& root = coroutine::current();
                         coroutine made([&] {
                             notes_its_end const end{events, "unwound"};
                             root.switch_to();
                         });
                         made.switch_to();
                         return made;
                     }).get();
            EXPECT_THROW(c.switch_to(), invalid_state);
        }
        EXPECT_THAT(events, ElementsAre("unwound"));
    });
}

TEST(coroutine, child_of_one_that_another_task_unwinds_goes_to_its_root) {
    on_one_and_four_workers([] {
        promise<void> unwinds;
        auto begun = unwinds.get_future();
        promise<void> child_has_ended;
        auto go_on = child_has_ended.get_future();
        std::optional<coroutine> parent;
        auto t = spawn([&] {
            parent.emplace([&] {
                waits_at_its_end const end{unwinds, go_on};
                coroutine child([&] { begun.get(); });
                child.switch_to();
                ADD_FAILURE() << "the child goes on here, in its own task";
            });
            parent->switch_to();
            child_has_ended.set_value();
        });
        yield_until_waiting(t);
        parent.reset();
        t.get();
    });
}

TEST(coroutine, last_handle_goes_elsewhere_while_it_waits_for_one_that_it_unwinds) {
    on_one_and_four_workers([] {
        std::vector<std::string> events;
        promise<void> unwinds;
        auto begun = unwinds.get_future();
        promise<void> handle_is_gone;
        auto go_on = handle_is_gone.get_future();
        std::optional<coroutine> outer;
        auto t = spawn([&] {
            outer.emplace([&] {
                notes_its_end const end{events, "outer"};
                coroutine& self = coroutine::current();
                coroutine inner([&] {
                    waits_at_its_end const slow{unwinds, go_on};
                    notes_its_end const end_of_inner{events, "inner"};
                    self.switch_to();
                });
                inner.switch_to();
            });
            outer->switch_to();
            events.emplace_back("back");
        });
        begun.get();
        outer.reset();
        handle_is_gone.set_value();
        t.get();
        EXPECT_THAT(events, ElementsAre("inner", "outer", "back"));
    });
}

TEST(coroutine, one_that_switches_away_while_it_unwinds_does_not_keep_who_unwinds_it) {
    struct leaves_at_its_end {
        coroutine& to;
        ~leaves_at_its_end() { to.switch_to(); }
    };
    in_tasks_and_on_a_thread([] {
        std::vector<std::string> events;
        coroutine& root = coroutine::current();
        std::optional<coroutine> outermost;
        std::optional<coroutine> outer;
        outermost.emplace([&] {
            notes_its_end const end_of_outermost{events, "outermost"};
            outer.emplace([&] {
                notes_its_end const end_of_outer{events, "outer"};
                coroutine& self = coroutine::current();
                coroutine inner([&] {
                    notes_its_end const end_of_inner{events, "inner"};
                    leaves_at_its_end const leaves{root};
                    self.switch_to();
                });
                inner.switch_to();
            });
            outer->switch_to();  // until inner has left
            events.emplace_back("outer is let go");
            outer.reset();
            events.emplace_back("it is gone");
            root.switch_to();
        });
        outermost->switch_to();
        EXPECT_THAT(events, IsEmpty());
        outermost->switch_to();
        EXPECT_THAT(events, ElementsAre("outer is let go", "inner", "outer", "it is gone"));
        outermost.reset();
        EXPECT_EQ(events.back(), "outermost");
    });
}

TEST(coroutine, each_made_by_the_one_before_which_ends_is_no_burden_in_the_long_run) {
    in_tasks_and_on_a_thread([] {
        int left = 20000;
        std::optional<coroutine> next;
        std::function<void()> const body = [&] {
            if (--left > 0) {
                next.emplace(body);
            }
        };
        next.emplace(body);
        while (next) {
            coroutine c = *std::exchange(next, std::nullopt);
            c.switch_to();
        }
        EXPECT_EQ(left, 0);
    });
}

TEST(coroutine, each_made_by_the_one_before_which_unwinds_needs_no_deep_stack_to_go) {
    in_tasks_and_on_a_thread([] {
        coroutine& root = coroutine::current();
        int left = 20000;
        std::optional<coroutine> next;
        std::function<void()> const body = [&] {
            if (--left > 0) {
                next.emplace(body);
            }
            root.switch_to();
        };
        next.emplace(body);
        while (next) {
            coroutine c = *std::exchange(next, std::nullopt);
            c.switch_to();
        }
        EXPECT_EQ(left, 0);
    });
}

TEST(coroutine, captures_go_when_it_has_ended_or_with_its_last_handle) {
    in_tasks_and_on_a_thread([] {
        auto const held = std::make_shared<int>(1);
        std::optional<coroutine> child;
        coroutine parent([&, held] { child.emplace([held] {}); });
        parent.switch_to();
        EXPECT_EQ(held.use_count(), 2);  // the child's
        child.reset();
        EXPECT_EQ(held.use_count(), 1);
    });
}

TEST(coroutine, exception_of_one_that_unwinds_is_reported) {
    std::atomic<int> reported{0};
    run(runtime_options{.workers = 1,
                        .on_unhandled_exception = [&](task_ref const&, std::exception_ptr const&) { ++reported; }},
        [] {
            coroutine& root = coroutine::current();
            coroutine c([&] {
                try {
                    root.switch_to();
                } catch (generator_exit const&) {
                    throw std::runtime_error("cannot clean up");
                }
            });
            c.switch_to();
        });
    EXPECT_EQ(reported, 1);
}

// ---- misuse

TEST(coroutine, one_that_has_ended_cannot_be_switched_to) {
    in_tasks_and_on_a_thread([] {
        coroutine c([] {});
        c.switch_to();
        EXPECT_THROW(c.switch_to(), invalid_state);
        auto const moved = std::move(c);
        EXPECT_THROW(c.switch_to(), invalid_state);  // NOLINT(bugprone-use-after-move)
        EXPECT_TRUE(moved.done());
    });
}

TEST(coroutine, other_tasks_and_threads_get_invalid_state) {
    on_one_and_four_workers([] {
        coroutine& root = coroutine::current();
        coroutine c([] {});
        EXPECT_THROW(spawn([&] { c.switch_to(); }).get(), invalid_state);
        EXPECT_THROW(spawn([&] { root.switch_to(); }).get(), invalid_state);
        std::thread([&] { EXPECT_THROW(c.switch_to(), invalid_state); }).join();
        c.switch_to();
        EXPECT_TRUE(c.done());
    });
}

}  // namespace
}  // namespace coir
