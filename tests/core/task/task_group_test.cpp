// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/task_group.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task_ref.hpp>
#include <coir/core/task/timeout.hpp>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace coir {
namespace {

using test::k_long_time;
using test::on_one_and_four_workers;
using test::sleep_forever;
using test::yield_until_waiting;

TEST(scope, waits_for_its_children_and_returns_the_result_of_the_body) {
    on_one_and_four_workers([] {
        std::atomic<int> ended{0};
        int const result = scope([&](task_group& g) {
            for (int i = 0; i < 20; ++i) {
                g.spawn([&] {
                    yield();
                    ended.fetch_add(1);
                });
            }
            return 5;
        });
        EXPECT_EQ(result, 5);
        EXPECT_EQ(ended, 20);
    });
}

TEST(scope, children_give_their_results_by_their_handles) {
    on_one_and_four_workers([] {
        scope([](task_group& g) {
            auto a = g.spawn([](int x) { return x + 1; }, 1);
            auto b = g.spawn(task_options{.name = "named"}, [] { return current_task().name(); });
            EXPECT_EQ(a.get(), 2);
            EXPECT_EQ(b.get(), "named");
        });
    });
}

TEST(scope, children_may_spawn_siblings) {
    on_one_and_four_workers([] {
        std::atomic<int> ended{0};
        scope([&](task_group& g) {
            g.spawn([&] {
                g.spawn([&] {
                    yield();
                    g.spawn([&] { ended.fetch_add(1); });
                });
            });
        });
        EXPECT_EQ(ended, 1);
    });
}

TEST(scope, first_failure_cancels_the_siblings_and_the_body) {
    on_one_and_four_workers([] {
        task<void> sibling;
        bool body_cancelled = false;
        EXPECT_THROW(scope([&](task_group& g) {
                         sibling = g.spawn(sleep_forever);
                         g.spawn([] { throw std::runtime_error("child"); });
                         try {
                             sleep_forever();
                         } catch (cancelled const&) {
                             body_cancelled = true;
                             throw;
                         }
                     }),
                     std::runtime_error);
        EXPECT_TRUE(sibling.cancelled());
        EXPECT_TRUE(body_cancelled);
        EXPECT_EQ(current_task().cancelling(), 0u);
        EXPECT_NO_THROW(yield());
    });
}

TEST(scope, result_that_cannot_be_kept_cancels_the_siblings_and_the_body) {
    struct result {
        result() = default;
        result(result&& /*other*/) { throw std::runtime_error("cannot be moved"); }  // NOLINT(*-noexcept-move*)
    };
    on_one_and_four_workers([] {
        std::atomic<bool> sibling_was_cancelled{false};
        auto const body = [&](task_group& g) {
            g.spawn([&] {
                try {
                    sleep_forever();
                } catch (cancelled const&) {
                    sibling_was_cancelled = true;
                    throw;
                }
            });
            g.spawn([] {
                yield();
                return result();
            });
            sleep_forever();
        };
        EXPECT_THROW(scope(body), std::runtime_error);
        EXPECT_TRUE(sibling_was_cancelled);
    });
}

TEST(scope, failure_of_the_body_cancels_the_children) {
    on_one_and_four_workers([] {
        task<void> child;
        EXPECT_THROW(scope([&](task_group& g) {
                         child = g.spawn(sleep_forever);
                         throw std::out_of_range("body");
                     }),
                     std::out_of_range);
        EXPECT_TRUE(child.cancelled());
    });
}

TEST(scope, several_failures_come_as_a_group) {
    on_one_and_four_workers([] {
        try {
            std::atomic<int> started{0};  // each fails, whoever is first
            scope([&](task_group& g) {
                cancel_shield const shield;
                for (int i = 0; i < 3; ++i) {
                    g.spawn([&, i] {
                        cancel_shield const own_shield;
                        started.fetch_add(1);
                        test::yield_until([&] { return started == 4; });
                        throw std::runtime_error(std::to_string(i));
                    });
                }
                test::yield_until([&] { return started == 3; });
                started.fetch_add(1);
                throw std::logic_error("body");
            });
            ADD_FAILURE();
        } catch (exception_group const& group) {
            EXPECT_EQ(group.exceptions().size(), 4u);
            auto const is_logic_error = [](std::exception_ptr const& e) {
                try {
                    std::rethrow_exception(e);
                } catch (std::logic_error const&) {
                    return true;
                } catch (...) {
                    return false;
                }
            };
            EXPECT_EQ(std::ranges::count_if(group.exceptions(), is_logic_error), 1);
        }
    });
}

std::string told_of(std::vector<std::exception_ptr> errors) {
    return exception_group(std::move(errors)).what();
}

TEST(exception_group, tells_what_its_failures_are_about) {
    auto const a = std::make_exception_ptr(std::runtime_error("a"));
    auto const b = std::make_exception_ptr(std::logic_error("b"));
    auto const both = std::make_exception_ptr(exception_group({a, b}));
    EXPECT_EQ(told_of({a, b}), "2 tasks of a group failed: a; b");
    EXPECT_EQ(told_of({b, both}), "2 tasks of a group failed: b; (2 tasks of a group failed: a; b)");
    EXPECT_EQ(told_of({a, std::make_exception_ptr(42)}), "2 tasks of a group failed: a; an exception of type int");
    EXPECT_EQ(told_of({a, a, a, a, b, b, b}), "7 tasks of a group failed: a; a; a; a; b; and 2 more");
}

TEST(scope, failed_child_that_the_body_awaits_is_one_failure) {
    on_one_and_four_workers([] {
        EXPECT_THROW(scope([](task_group& g) {
                         auto child = g.spawn([] {
                             yield();
                             throw std::runtime_error("child");
                         });
                         child.get();
                     }),
                     std::runtime_error);
        EXPECT_NO_THROW(yield());
    });
}

TEST(scope, cancelled_children_are_no_failures) {
    on_one_and_four_workers([] {
        scope([](task_group& g) {
            auto child = g.spawn(sleep_forever);
            auto other = g.spawn([] {
                yield();
                return 1;
            });
            yield_until_waiting(child);
            child.cancel();
            EXPECT_EQ(other.get(), 1);
        });
    });
}

TEST(scope, cancel_of_the_group_ends_the_children_without_a_failure) {
    on_one_and_four_workers([] {
        scope([](task_group& g) {
            g.spawn(sleep_forever);
            g.spawn(sleep_forever);
            yield();
            g.cancel();
        });
    });
}

TEST(scope, cancellation_from_outside_cancels_all_and_is_thrown) {
    on_one_and_four_workers([] {
        for (bool const in_body : {true, false}) {
            std::atomic<int> cleaned_up{0};
            auto t = spawn([&] {
                scope([&](task_group& g) {
                    auto child = g.spawn([&] {
                        try {
                            sleep_forever();
                        } catch (cancelled const&) {
                            yield();
                            cleaned_up.fetch_add(1);
                            throw;
                        }
                    });
                    yield_until_waiting(child);
                    if (in_body) {
                        sleep_forever();
                    }
                });
            });
            yield_until_waiting(t);
            t.cancel();
            EXPECT_THROW(t.get(), cancelled);
            EXPECT_EQ(cleaned_up, 1);
        }
    });
}

TEST(scope, cancellation_from_outside_that_a_failure_replaces_is_thrown_later_with_its_own_reason) {
    on_one_and_four_workers([] {
        auto t = spawn([&] {
            auto const body = [](task_group& g) {
                auto child = g.spawn([] {
                    try {
                        sleep_forever();
                    } catch (cancelled const&) {
                        throw std::runtime_error("clean-up");
                    }
                });
                yield_until_waiting(child);
                sleep_forever();
            };
            EXPECT_THROW(scope(body), std::runtime_error);
            yield();
        });
        yield_until_waiting(t);
        t.cancel("enough");
        try {
            t.get();
            ADD_FAILURE() << "the cancellation got lost";
        } catch (cancelled const& c) {
            EXPECT_EQ(c.reason(), "enough");
        }
    });
}

// Ends when it is cancelled, but takes its time; counts how often it was asked to by then.
void clean_up_slowly(std::atomic<int>& requests) {
    try {
        sleep_forever();
    } catch (cancelled const&) {
        cancel_shield const shield;
        for (int i = 0; i < 20; ++i) {
            yield();
        }
        requests += static_cast<int>(current_task().cancelling());
        throw;
    }
}

TEST(scope, child_is_asked_to_end_once) {
    enum class cause {
        sibling,
        body,
        sibling_and_body,
        body_and_clean_up,
        outside_while_in_body,
        outside,
        outside_twice,
        cancel_of_group
    };
    on_one_and_four_workers([] {
        for (cause const why :
             {cause::sibling, cause::body, cause::sibling_and_body, cause::body_and_clean_up,
              cause::outside_while_in_body, cause::outside, cause::outside_twice, cause::cancel_of_group}) {
            std::atomic<int> requests{0};
            std::atomic<bool> waits{false};
            auto t = spawn([&] {
                scope([&](task_group& g) {
                    auto child = g.spawn([&] { clean_up_slowly(requests); });
                    yield_until_waiting(child);
                    if (why == cause::sibling || why == cause::sibling_and_body) {
                        g.spawn([] { throw std::runtime_error("sibling"); });
                    }
                    if (why == cause::sibling_and_body) {
                        sleep_forever();
                    }
                    if (why == cause::body_and_clean_up) {
                        auto failing = g.spawn([] {
                            try {
                                sleep_forever();
                            } catch (cancelled const&) {
                                throw std::runtime_error("clean-up");
                            }
                        });
                        yield_until_waiting(failing);
                    }
                    if (why == cause::body || why == cause::body_and_clean_up) {
                        throw std::runtime_error("body");
                    }
                    if (why == cause::cancel_of_group) {
                        g.cancel();
                    }
                    waits = true;
                    if (why == cause::outside_while_in_body) {
                        sleep_forever();
                    }
                });
            });
            if (why == cause::outside || why == cause::outside_twice || why == cause::outside_while_in_body) {
                test::yield_until([&] { return waits && test::is_waiting(t); });
                t.cancel();
                if (why == cause::outside_twice) {
                    yield();
                    t.cancel();
                }
            }
            test::wait_shielded(t);
            EXPECT_EQ(requests, 1) << "cause " << static_cast<int>(why);
            try {
                t.get();  // whatever became of it: it counts as retrieved
            } catch (cancelled const&) {
            } catch (std::runtime_error const&) {
            }
        }
    });
}

TEST(task_group, child_is_asked_to_end_once_by_its_destructor) {
    on_one_and_four_workers([] {
        for (bool const was_cancelled : {false, true}) {
            std::atomic<int> requests{0};
            {
                task_group g;
                auto child = g.spawn([&] { clean_up_slowly(requests); });
                yield_until_waiting(child);
                if (was_cancelled) {
                    g.cancel();
                }
            }
            EXPECT_EQ(requests, 1);
        }
    });
}

TEST(scope, failures_come_before_a_cancellation_which_is_armed_again) {
    on_one_and_four_workers([] {
        std::atomic<bool> threw_again{false};
        auto t = spawn([&] {
            try {
                scope([&](task_group& g) {
                    auto child = g.spawn([] {
                        try {
                            sleep_forever();
                        } catch (cancelled const&) {
                            throw std::runtime_error("while cleaning up");
                        }
                    });
                    yield_until_waiting(child);
                    sleep_forever();
                });
                ADD_FAILURE();
            } catch (std::runtime_error const&) {
            }
            try {
                yield();
            } catch (cancelled const&) {
                threw_again = true;
                throw;
            }
        });
        yield_until_waiting(t);
        t.cancel();
        t.wait();
        EXPECT_TRUE(threw_again);
        EXPECT_TRUE(t.cancelled());
    });
}

TEST(scope, nests_and_the_inner_failure_stays_inside) {
    on_one_and_four_workers([] {
        int const result = scope([](task_group&) {
            EXPECT_THROW(scope([](task_group& inner) {
                             inner.spawn([] { throw std::runtime_error("inner"); });
                             sleep_forever();
                         }),
                         std::runtime_error);
            yield();
            return 3;
        });
        EXPECT_EQ(result, 3);
    });
}

TEST(scope, time_limit_around_it_becomes_timeout_error) {
    on_one_and_four_workers([] {
        EXPECT_THROW(with_timeout(test::k_a_moment,
                                  [] {
                                      scope([](task_group& g) {
                                          g.spawn(sleep_forever);
                                          sleep_forever();
                                      });
                                  }),
                     timeout_error);
        EXPECT_NO_THROW(yield());
    });
}

TEST(scope, outside_of_a_task_throws) {
    EXPECT_THROW(scope([](task_group&) {}), no_running_runtime);
}

TEST(task_group, wait_throws_the_failure_and_the_group_can_be_used_again) {
    on_one_and_four_workers([] {
        task_group g;
        g.spawn([] { throw std::runtime_error("child"); });
        EXPECT_THROW(g.wait(), std::runtime_error);
        auto t = g.spawn([] { return 1; });
        g.wait();
        EXPECT_EQ(t.get(), 1);
    });
}

TEST(task_group, wait_waits_for_all_children) {
    on_one_and_four_workers([] {
        task_group g;
        std::atomic<int> ended{0};
        for (int i = 0; i < 300; ++i) {
            g.spawn([&] {
                yield();
                ended.fetch_add(1);
            });
        }
        g.wait();
        EXPECT_EQ(ended, 300);
    });
}

TEST(task_group, destructor_cancels_what_runs_and_waits) {
    on_one_and_four_workers([] {
        std::atomic<bool> ended{false};
        {
            task_group g;
            auto child = g.spawn([&] {
                try {
                    sleep_forever();
                } catch (cancelled const&) {
                    yield();
                    ended = true;
                    throw;
                }
            });
            yield_until_waiting(child);
        }
        EXPECT_TRUE(ended);
    });
}

TEST(task_group, failures_that_nobody_saw_reach_the_handler) {
    for (unsigned const workers : {1u, 4u}) {
        std::atomic<int> reported{0};
        run(runtime_options{.workers = workers,
                            .on_unhandled_exception = [&](task_ref, std::exception_ptr) { reported.fetch_add(1); }},
            [] {
                task_group g;
                auto child = g.spawn([] { throw std::runtime_error("unseen"); });
                child.wait();
            });
        EXPECT_EQ(reported, 1);
    }
}

TEST(task_group, cancelled_waiter_cancels_the_children_and_waits) {
    on_one_and_four_workers([] {
        std::atomic<bool> ended{false};
        auto t = spawn([&] {
            task_group g;
            auto child = g.spawn([&] {
                try {
                    sleep_forever();
                } catch (cancelled const&) {
                    yield();
                    ended = true;
                    throw;
                }
            });
            yield_until_waiting(child);
            g.wait();
        });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_TRUE(ended);
    });
}

TEST(task_group, task_that_comes_after_the_failure_never_runs) {
    run(runtime_options{.workers = 4}, [] {
        for (int round = 0; round < 300; ++round) {
            EXPECT_THROW(scope([&](task_group& g) {
                             // What the body spawns after it has seen the failure must not start.
                             std::atomic<bool> over{false};
                             g.spawn([&over] {
                                 struct mark {
                                     std::atomic<bool>& over;
                                     ~mark() { over = true; }
                                 } const at_the_end{over};
                                 throw std::runtime_error("first");
                             });
                             cancel_shield const shield;
                             test::yield_until([&] { return over.load(); });
                             test::yield_until([&] { return current_task().cancelling() > 0; });
                             for (int i = 0; i < 4; ++i) {
                                 g.spawn([] { ADD_FAILURE() << "runs"; });
                             }
                         }),
                         std::runtime_error);
        }
    });
}

TEST(task_group, spawn_into_a_cancelled_group_gives_a_cancelled_task) {
    on_one_and_four_workers([] {
        task_group g;
        g.cancel();
        auto t = g.spawn([] { ADD_FAILURE() << "runs"; });
        t.wait();
        EXPECT_TRUE(t.cancelled());
        g.wait();
    });
}

// Whoever comes while wait() is about to return is waited for, and its failure is thrown, by this call or the next one.
TEST(task_group, loses_no_child_that_others_spawn_while_it_waits) {
    on_one_and_four_workers([] {
        constexpr int k_spawners = 3;
        constexpr int k_children = 400;
        std::atomic<int> thrown{0};
        std::atomic<int> started{0};
        std::atomic<int> ended{0};
        int caught = 0;
        task_group g;
        std::vector<task<void>> spawners;
        for (int s = 0; s < k_spawners; ++s) {
            spawners.push_back(spawn([&] {
                for (int i = 0; i < k_children; ++i) {
                    g.spawn([&, i] {
                        ++started;
                        if (i % 3 == 0) {
                            ++thrown;
                            ++ended;
                            throw std::runtime_error("one child");
                        }
                        ++ended;
                    });
                    if (i % 5 == 0) {
                        yield();
                    }
                }
            }));
        }
        auto const all_done = [&] { return std::ranges::all_of(spawners, [](auto const& s) { return s.done(); }); };
        for (bool last = false; !last;) {
            last = all_done();
            try {
                g.wait();
            } catch (exception_group const& several) {
                caught += static_cast<int>(several.exceptions().size());
                last = false;
            } catch (std::runtime_error const&) {
                ++caught;
                last = false;
            }
            int const ended_so_far = ended;  // read first: both go on
            EXPECT_LE(ended_so_far, started);
            yield();
        }
        EXPECT_EQ(started, ended);
        EXPECT_EQ(caught, thrown);
        EXPECT_GT(thrown, 0);
    });
}

}  // namespace
}  // namespace coir
