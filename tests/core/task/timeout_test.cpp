// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/timeout.hpp>

#include <coir/core/task/gather.hpp>
#include <coir/core/task/generator.hpp>
#include <coir/core/task/sleep.hpp>
#include <coir/core/task/task_group.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task_ref.hpp>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace coir {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using test::k_a_moment;
using test::k_long_time;
using test::on_one_and_four_workers;
using test::sleep_forever;
using test::yield_until_waiting;

// Where a task has to come somewhere before its time is up.
template <class F>
void in_virtual_time(F const& body) {
    for (unsigned const workers : {1u, 4u}) {
        run(runtime_options{.workers = workers, .virtual_time = true}, [&body] { body(); });
    }
}

TEST(with_timeout, ends_a_wait_past_the_deadline) {
    on_one_and_four_workers([] {
        EXPECT_THROW(with_timeout(k_a_moment, [] { sleep_forever(); }), timeout_error);
        EXPECT_EQ(current_task().cancelling(), 0u);
        EXPECT_NO_THROW(yield());
    });
}

TEST(with_timeout, returns_what_the_body_returns) {
    on_one_and_four_workers([] {
        EXPECT_EQ(with_timeout(k_long_time, [] { return 3; }), 3);
        int x = 0;
        EXPECT_EQ(&with_timeout(k_long_time, [&]() -> int& { return x; }), &x);
        EXPECT_NO_THROW(with_timeout(k_long_time, [] { yield(); }));
    });
}

TEST(with_timeout, passes_other_exceptions) {
    on_one_and_four_workers(
        [] { EXPECT_THROW(with_timeout(k_long_time, [] { throw std::out_of_range("other"); }), std::out_of_range); });
}

TEST(with_timeout, longest_duration_never_expires) {
    on_one_and_four_workers([] {
        EXPECT_EQ(with_timeout(hours::max(),
                               [] {
                                   sleep(k_a_moment);
                                   return 1;
                               }),
                  1);
    });
}

TEST(with_timeout, returns_a_late_value) {
    on_one_and_four_workers([] {
        int const value = with_timeout(k_a_moment, [](timeout_scope& scope) {
            cancel_shield const shield;
            while (!scope.expired()) {
                sleep(k_a_moment);
            }
            return 9;
        });
        EXPECT_EQ(value, 9);
        EXPECT_NO_THROW(yield());
    });
}

TEST(with_timeout, of_zero_throws_at_the_first_wait) {
    on_one_and_four_workers([] {
        bool entered = false;
        EXPECT_THROW(with_timeout(seconds(0),
                                  [&] {
                                      entered = true;
                                      sleep_forever();
                                  }),
                     timeout_error);
        EXPECT_TRUE(entered);
        EXPECT_THROW(with_timeout(seconds(-5), [] { sleep_forever(); }), timeout_error);
    });
}

TEST(with_timeout, cancellation_from_outside_wins) {
    on_one_and_four_workers([] {
        auto t = spawn([] { with_timeout(k_long_time, [] { sleep_forever(); }); });
        yield_until_waiting(t);
        t.cancel("outside");
        EXPECT_THROW(t.get(), cancelled);
    });
}

TEST(with_timeout, cancellation_from_outside_wins_also_when_the_deadline_passes) {
    on_one_and_four_workers([] {
        auto t = spawn([] {
            with_timeout(k_a_moment, [](timeout_scope& scope) {
                {
                    cancel_shield const shield;
                    current_task().cancel();
                    while (!scope.expired()) {
                        sleep(k_a_moment);
                    }
                }
                sleep_forever();
            });
        });
        EXPECT_THROW(t.get(), cancelled);
    });
}

TEST(with_timeout, inner_one_expires_alone) {
    on_one_and_four_workers([] {
        int const value = with_timeout(k_long_time, [] {
            EXPECT_THROW(with_timeout(k_a_moment, [] { sleep_forever(); }), timeout_error);
            yield();
            return 2;
        });
        EXPECT_EQ(value, 2);
    });
}

TEST(with_timeout, outer_one_passes_through_the_inner_one) {
    on_one_and_four_workers([] {
        bool inner_timed_out = false;
        EXPECT_THROW(with_timeout(k_a_moment,
                                  [&] {
                                      try {
                                          with_timeout(k_long_time, [] { sleep_forever(); });
                                      } catch (timeout_error const&) {
                                          inner_timed_out = true;
                                          throw;
                                      }
                                  }),
                     timeout_error);
        EXPECT_FALSE(inner_timed_out);
    });
}

TEST(with_timeout, cancels_the_task_that_the_body_awaits) {
    on_one_and_four_workers([] {
        auto inner = spawn(sleep_forever);
        EXPECT_THROW(with_timeout(k_a_moment, [&] { inner.get(); }), timeout_error);
        EXPECT_TRUE(inner.cancelled());
    });
}

TEST(with_timeout, can_be_rescheduled) {
    in_virtual_time([] {
        EXPECT_THROW(with_timeout(k_long_time,
                                  [](timeout_scope& scope) {
                                      auto const soon = clock::now() + k_a_moment;
                                      scope.reschedule(soon);
                                      EXPECT_EQ(scope.when(), soon);
                                      EXPECT_FALSE(scope.expired());
                                      sleep_forever();
                                  }),
                     timeout_error);
        EXPECT_EQ(with_timeout(k_a_moment,
                               [](timeout_scope& scope) {
                                   scope.reschedule(clock::time_point::max());
                                   sleep(3 * k_a_moment);
                                   EXPECT_FALSE(scope.expired());
                                   return 4;
                               }),
                  4);
    });
}

TEST(with_timeout, reschedule_after_expiry_throws_invalid_state) {
    on_one_and_four_workers([] {
        EXPECT_THROW(with_timeout(k_a_moment,
                                  [](timeout_scope& scope) {
                                      cancel_shield const shield;
                                      while (!scope.expired()) {
                                          sleep(k_a_moment);
                                      }
                                      scope.reschedule(clock::time_point::max());
                                  }),
                     invalid_state);
        EXPECT_NO_THROW(yield());
    });
}

TEST(with_timeout, outside_of_a_task_throws) {
    EXPECT_THROW(with_timeout(k_long_time, [] {}), no_running_runtime);
}

TEST(with_deadline, in_the_past_throws_at_the_first_wait) {
    on_one_and_four_workers([] {
        EXPECT_THROW(with_deadline(clock::now() - seconds(1), [] { sleep_forever(); }), timeout_error);
        EXPECT_THROW(with_deadline(clock::time_point::min(), [] { sleep_forever(); }), timeout_error);
    });
}

TEST(with_deadline, takes_time_points_of_other_clocks) {
    on_one_and_four_workers([] {
        auto const now = std::chrono::system_clock::now();
        EXPECT_EQ(with_deadline(now + k_long_time, [] { return 1; }), 1);
        EXPECT_THROW(with_deadline(now - k_long_time, [] { sleep_forever(); }), timeout_error);
    });
}

TEST(deadline_in_force, is_the_nearest_of_the_limits_around) {
    using detail::deadline_in_force;
    using detail::k_never;
    EXPECT_EQ(deadline_in_force(), k_never);
    on_one_and_four_workers([] {
        auto const soon = clock::now() + hours(1);
        auto const late = clock::now() + hours(2);
        EXPECT_EQ(deadline_in_force(), k_never);
        with_deadline(late, [&] {
            EXPECT_EQ(deadline_in_force(), late);
            with_deadline(soon, [&] {
                EXPECT_EQ(deadline_in_force(), soon);
                with_deadline(late, [&](timeout_scope& innermost) {
                    EXPECT_EQ(deadline_in_force(), soon);
                    innermost.reschedule(soon - seconds(1));
                    EXPECT_EQ(deadline_in_force(), soon - seconds(1));
                });
                EXPECT_THROW(with_timeout(k_a_moment, [] { sleep_forever(); }), timeout_error);
                EXPECT_EQ(deadline_in_force(), soon);
                // Of this task, not of those that it starts.
                EXPECT_EQ(spawn([] { return deadline_in_force(); }).get(), k_never);
            });
            EXPECT_EQ(deadline_in_force(), late);
        });
        EXPECT_EQ(deadline_in_force(), k_never);
    });
}

TEST(deadline_in_force, is_none_where_no_limit_takes_effect) {
    using detail::deadline_in_force;
    on_one_and_four_workers([] {
        with_timeout(k_long_time, [] {
            {
                cancel_shield const shield;
                EXPECT_EQ(deadline_in_force(), detail::k_never);
            }
            EXPECT_NE(deadline_in_force(), detail::k_never);
        });
    });
}

TEST(deadline_in_force, is_none_of_a_limit_that_has_expired_and_whose_cancellation_was_caught) {
    using detail::deadline_in_force;
    on_one_and_four_workers([] {
        auto const late = clock::now() + hours(1);
        with_deadline(late, [&] {
            auto const soon = clock::now() - k_a_moment;
            with_deadline(soon, [&] {
                EXPECT_EQ(deadline_in_force(), soon);  // the task has not heard of it yet
                EXPECT_THROW(sleep_forever(), cancelled);
                EXPECT_EQ(deadline_in_force(), late);
            });
            EXPECT_EQ(deadline_in_force(), late);
        });
    });
}

TEST(deadline_in_force, forgets_a_limit_that_is_left_before_one_that_began_later) {
    using detail::deadline_in_force;
    on_one_and_four_workers([] {
        auto const soon = clock::now() + hours(1);
        auto const late = clock::now() + hours(2);
        generator<int> numbers([&](auto& yield) {
            with_deadline(soon, [&] { yield(1); });
            yield(2);
        });
        auto at = numbers.begin();
        EXPECT_EQ(deadline_in_force(), soon);
        with_deadline(late, [&] {
            EXPECT_EQ(deadline_in_force(), soon);
            ++at;
            EXPECT_EQ(*at, 2);
            EXPECT_EQ(deadline_in_force(), late);
        });
        EXPECT_EQ(deadline_in_force(), detail::k_never);
    });
}

TEST(deadline_in_force, may_be_that_of_a_generator_which_ends_on_another_task) {
    using detail::deadline_in_force;
    on_one_and_four_workers([] {
        auto const soon = clock::now() + hours(1);
        auto numbers = std::make_unique<generator<int>>([&](auto& yield) { with_deadline(soon, [&] { yield(1); }); });
        EXPECT_EQ(*numbers->begin(), 1);
        EXPECT_EQ(deadline_in_force(), soon);
        spawn([&] { numbers.reset(); }).get();
        EXPECT_EQ(deadline_in_force(), detail::k_never);
    });
}

TEST(timeout_scope, may_outlive_its_task_in_a_generator_that_was_handed_on) {
    on_one_and_four_workers([] {
        auto numbers = spawn([] {
                           auto made = std::make_unique<generator<int>>(
                               [](auto& yield) { with_timeout(hours(1), [&] { yield(1); }); });
                           EXPECT_EQ(*made->begin(), 1);
                           return made;
                       }).get();
        numbers.reset();
    });
}

TEST(wait_for, returns_references_as_such) {
    on_one_and_four_workers([] {
        int target = 1;
        auto t = spawn([&]() -> int& { return target; });
        static_assert(std::is_same_v<decltype(wait_for(t, k_long_time)), int&>);
        EXPECT_EQ(&wait_for(t, k_long_time), &target);
        EXPECT_EQ(&wait_for([&]() -> int& { return target; }, k_long_time), &target);
        EXPECT_EQ(&scope([&](task_group&) -> int& { return target; }), &target);
    });
}

TEST(wait_for, returns_the_result_in_time) {
    on_one_and_four_workers([] {
        EXPECT_EQ(wait_for([] { return 1; }, k_long_time), 1);
        auto t = spawn([] { return 2; });
        EXPECT_EQ(wait_for(t, k_long_time), 2);
        promise<int> p;
        auto f = p.get_future();
        p.set_value(3);
        EXPECT_EQ(wait_for(f, hours::max()), 3);
        wait_for([] {}, k_long_time);
    });
}

TEST(wait_for, cancels_and_throws_past_the_limit) {
    on_one_and_four_workers([] {
        auto t = spawn(sleep_forever);
        EXPECT_THROW(wait_for(t, k_a_moment), timeout_error);
        EXPECT_TRUE(t.cancelled());
        promise<int> p;
        auto f = p.get_future();
        EXPECT_THROW(wait_for(f, k_a_moment), timeout_error);
        EXPECT_TRUE(f.cancelled());
        EXPECT_THROW(wait_for([] { sleep_forever(); }, k_a_moment), timeout_error);
    });
}

TEST(wait_for, waits_until_what_it_has_cancelled_has_ended) {
    in_virtual_time([] {
        bool cleaned_up = false;
        EXPECT_THROW(wait_for(
                         [&] {
                             try {
                                 sleep_forever();
                             } catch (cancelled const&) {
                                 yield();
                                 sleep(k_a_moment);
                                 cleaned_up = true;
                                 throw;
                             }
                         },
                         k_a_moment),
                     timeout_error);
        EXPECT_TRUE(cleaned_up);
    });
}

TEST(wait_for, returns_a_value_that_comes_in_spite_of_the_cancellation) {
    in_virtual_time([] {
        EXPECT_EQ(wait_for(
                      [] {
                          EXPECT_THROW(sleep_forever(), cancelled);
                          return 8;
                      },
                      k_a_moment),
                  8);
        EXPECT_NO_THROW(yield());
    });
}

TEST(wait_for, callable_without_time_never_starts) {
    on_one_and_four_workers([] {
        bool ran = false;
        EXPECT_THROW(wait_for([&] { ran = true; }, seconds(0)), timeout_error);
        EXPECT_THROW(wait_for([&] { ran = true; }, seconds(-1)), timeout_error);
        EXPECT_FALSE(ran);
    });
}

TEST(wait_for, done_task_without_time_gives_its_result) {
    on_one_and_four_workers([] {
        auto t = spawn([] { return 2; });
        t.wait();
        EXPECT_EQ(wait_for(t, seconds(0)), 2);
    });
}

TEST(wait_for, without_time_does_not_run_a_task_in_the_place_of_its_caller) {
    run(runtime_options{.workers = 1}, [] {
        bool ran = false;
        auto t = spawn([&] { ran = true; });
        EXPECT_THROW(wait_for(t, seconds(0)), timeout_error);
        EXPECT_TRUE(t.cancelled());
        EXPECT_FALSE(ran);
        EXPECT_EQ(current_task().cancelling(), 0u);
        EXPECT_NO_THROW(yield());
    });
}

TEST(wait_for, without_time_gives_what_the_cancelled_task_ends_with) {
    on_one_and_four_workers([] {
        auto stubborn = spawn([] {
            EXPECT_THROW(sleep_forever(), cancelled);
            return 8;
        });
        yield_until_waiting(stubborn);
        EXPECT_EQ(wait_for(stubborn, seconds(0)), 8);
        auto failing = spawn([] {
            EXPECT_THROW(sleep_forever(), cancelled);
            throw std::runtime_error("while cleaning up");
        });
        yield_until_waiting(failing);
        EXPECT_THROW(wait_for(failing, seconds(-1)), std::runtime_error);
    });
}

TEST(wait_for, without_time_is_left_by_the_cancellation_of_its_caller) {
    on_one_and_four_workers([] {
        promise<void> cleaning_up;
        promise<void> let_go;
        auto inner = spawn([&cleaning_up, may_end = let_go.get_future()] {
            try {
                sleep_forever();
            } catch (cancelled const&) {
                cancel_shield const shield;
                cleaning_up.set_value();
                may_end.wait();
                throw;
            }
        });
        yield_until_waiting(inner);
        auto outer = spawn([&] { wait_for(inner, seconds(0)); });
        cleaning_up.get_future().wait();
        yield_until_waiting(outer);
        outer.cancel("outside");
        let_go.set_value();
        EXPECT_THROW(outer.get(), cancelled);
        EXPECT_TRUE(outer.cancelled());

        auto never = spawn(sleep_forever);
        auto cancelled_before = spawn([&] {
            current_task().cancel("outside");
            wait_for(never, seconds(0));
        });
        EXPECT_THROW(cancelled_before.get(), cancelled);
        EXPECT_TRUE(never.cancelled());
    });
}

TEST(wait_for, of_the_calling_task_itself_without_time_cancels_nothing) {
    on_one_and_four_workers([] {
        promise<void> known;
        task<void> self;
        self = spawn([&self, is_known = known.get_future()] {
            is_known.wait();
            EXPECT_THROW(wait_for(self, seconds(0)), invalid_state);
            EXPECT_EQ(current_task().cancelling(), 0u);
        });
        known.set_value();
        self.get();
    });
}

TEST(wait_for, cancelled_caller_cancels_what_it_waits_for) {
    on_one_and_four_workers([] {
        auto inner = spawn(sleep_forever);
        auto outer = spawn([&] { wait_for(inner, k_long_time); });
        yield_until_waiting(inner);
        yield_until_waiting(outer);
        outer.cancel();
        EXPECT_THROW(outer.get(), cancelled);
        EXPECT_TRUE(inner.cancelled());
    });
}

TEST(wait_for, on_a_plain_thread_blocks_it) {
    promise<int> p;
    auto f = p.get_future();
    EXPECT_THROW(wait_for(f, k_a_moment), timeout_error);
    EXPECT_TRUE(p.cancelled());
    promise<int> q;
    q.set_value(4);
    EXPECT_EQ(wait_for(q.get_future(), k_long_time), 4);
    runtime rt(runtime_options{.workers = 1});
    auto t = rt.spawn(sleep_forever);
    EXPECT_THROW(wait_for(t, k_a_moment), timeout_error);
    EXPECT_TRUE(t.cancelled());
}

TEST(with_timeout, that_has_passed_already_takes_effect_at_a_yield) {
    on_one_and_four_workers([] {
        std::atomic<bool> stop = false;
        std::vector<task<void>> busy;
        for (int i = 0; i < 8; ++i) {
            busy.push_back(spawn([&] {
                while (!stop) {
                    yield();
                }
            }));
        }
        EXPECT_THROW(with_timeout(seconds(0), [] { yield(); }), timeout_error);
        EXPECT_THROW(with_timeout(seconds(-5), [] { sleep(seconds(0)); }), timeout_error);
        EXPECT_THROW(with_timeout(hours(1),
                                  [](timeout_scope& limit) {
                                      limit.reschedule(clock::now() - seconds(1));
                                      yield();
                                  }),
                     timeout_error);
        EXPECT_NO_THROW(with_timeout(hours(1), [](timeout_scope& limit) {
            limit.reschedule(clock::now() - seconds(1));
            limit.reschedule(clock::now() + hours(1));
            yield();
        }));
        EXPECT_NO_THROW(yield());
        stop = true;
        gather(busy);
    });
}

TEST(with_timeout, body_of_a_generator_leaves_it_though_the_runtime_has_ended) {
    on_one_and_four_workers([] {});
    for (unsigned const workers : {1u, 4u}) {
        bool left = false;
        {
            auto const numbers = run(runtime_options{.workers = workers}, [&left] {
                generator<int> made([&left](auto& yield) {
                    with_timeout(k_long_time, [&] {
                        yield(1);
                        yield(2);
                    });
                    left = true;
                });
                EXPECT_EQ(*made.begin(), 1);
                return made;
            });
            EXPECT_FALSE(left);
        }
        EXPECT_FALSE(left) << "it was unwound";
    }
}

}  // namespace
}  // namespace coir
