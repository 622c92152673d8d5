// SPDX-License-Identifier: BSL-1.0
//
// Time limits: wait_for and timeout.

#include "tests/conformance/support.hpp"

#include <atomic>
#include <stdexcept>

namespace coir {
namespace {

using namespace std::chrono_literals;
using test::journal;
using test::settle;
using test::wait_forever;

constexpr auto k_no_limit = clock::duration::max();

int five_after(std::chrono::seconds d) {
    sleep(d);
    return 5;
}

// --- wait_for ----------------------------------------------------------------------------------------------------------

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, wait_for_returns_what_comes_in_time) {
    EXPECT_EQ(wait_for([] { return five_after(1s); }, 2s), 5);
    auto t = spawn(five_after, 1s);
    EXPECT_EQ(wait_for(t, 2s), 5);
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, wait_for_raises_when_the_time_is_up) {
    auto const start = clock::now();
    EXPECT_THROW(wait_for([] { return five_after(3s); }, 2s), timeout_error);
    EXPECT_EQ(clock::now() - start, 2s);
}

COIR_CONFORMS(timeouts, wait_for_passes_exceptions_on) {
    EXPECT_THROW(wait_for([] { throw std::out_of_range("inner"); }, 1h), std::out_of_range);
    auto t = spawn(wait_forever);
    t.cancel();
    EXPECT_THROW(wait_for(t, 1h), cancelled);
}

COIR_CONFORMS(timeouts, wait_for_cancels_what_it_waits_for) {
    auto t = spawn(wait_forever);
    settle();
    EXPECT_THROW(wait_for(t, 1ms), timeout_error);
    EXPECT_TRUE(t.cancelled());
    promise<int> p;
    auto f = p.get_future();
    EXPECT_THROW(wait_for(f, 1ms), timeout_error);
    EXPECT_TRUE(f.cancelled());
}

COIR_CONFORMS(timeouts, wait_for_waits_until_what_it_cancelled_has_ended) {
    event let_go;
    event is_cleaning_up;
    auto t = spawn([&] {
        try {
            wait_forever();
        } catch (cancelled const&) {
            is_cleaning_up.set();
            let_go.wait();
            throw;
        }
    });
    settle();
    auto waiter = spawn([&] { wait_for(t, 1ms); });
    is_cleaning_up.wait();
    settle();
    EXPECT_FALSE(waiter.done());
    let_go.set();
    EXPECT_THROW(waiter.get(), timeout_error);
    EXPECT_TRUE(t.cancelled());
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, wait_for_may_take_longer_than_its_limit) {
    auto const start = clock::now();
    EXPECT_THROW(wait_for(
                     [] {
                         try {
                             wait_forever();
                         } catch (cancelled const&) {
                             sleep(5s);
                             throw;
                         }
                     },
                     2s),
                 timeout_error);
    EXPECT_EQ(clock::now() - start, 7s);
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, wait_for_returns_a_value_that_comes_all_the_same) {
    int const got = wait_for(
        [] {
            EXPECT_THROW(wait_forever(), cancelled);
            return 5;
        },
        1ms);
    EXPECT_EQ(got, 5);
    EXPECT_EQ(current_task().cancelling(), 0u);
    EXPECT_NO_THROW(yield());
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, wait_for_without_a_limit_waits) {
    EXPECT_EQ(wait_for([] { return five_after(3600s); }, k_no_limit), 5);
}

COIR_CONFORMS(timeouts, wait_for_without_time_gives_what_is_done) {
    auto t = spawn([] { return 5; });
    t.wait();
    EXPECT_EQ(wait_for(t, 0s), 5);
    auto other = spawn([] { return 6; });
    other.wait();
    EXPECT_EQ(wait_for(other, -1s), 6);
}

COIR_CONFORMS(timeouts, wait_for_without_time_never_starts_the_body) {
    std::atomic<bool> ran{false};
    EXPECT_THROW(wait_for([&] { ran = true; }, 0s), timeout_error);
    EXPECT_THROW(wait_for([&] { ran = true; }, -1s), timeout_error);
    settle();
    EXPECT_FALSE(ran);
}

COIR_CONFORMS(timeouts, wait_for_without_time_never_starts_a_task) {
    test::on_a_strand([] {
        std::atomic<bool> ran{false};
        auto t = spawn([&] { ran = true; });  // not before this task waits
        EXPECT_THROW(wait_for(t, 0s), timeout_error);
        EXPECT_TRUE(t.cancelled());
        EXPECT_FALSE(ran);
    });
    if (runtime::current().stats().workers == 1) {
        std::atomic<bool> ran{false};
        auto t = spawn([&] { ran = true; });
        EXPECT_THROW(wait_for(t, -1s), timeout_error);
        EXPECT_TRUE(t.cancelled());
        EXPECT_FALSE(ran);
    }
}

COIR_CONFORMS(timeouts, wait_for_without_time_cancels_what_is_not_done) {
    std::atomic<bool> cleaned_up{false};
    auto t = spawn([&] {
        try {
            wait_forever();
        } catch (cancelled const&) {
            yield();
            cleaned_up = true;
            throw;
        }
    });
    settle();
    EXPECT_THROW(wait_for(t, 0s), timeout_error);
    EXPECT_TRUE(t.cancelled());
    EXPECT_TRUE(cleaned_up);
}

COIR_CONFORMS(timeouts, cancelled_wait_for_cancels_what_it_waits_for) {
    auto inner = spawn(wait_forever);
    auto outer = spawn([&] { wait_for(inner, 24h); });
    settle();
    outer.cancel();
    EXPECT_THROW(outer.get(), cancelled);
    EXPECT_TRUE(inner.cancelled());
}

// --- timeout -----------------------------------------------------------------------------------------------------------

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, timeout_raises_at_its_deadline) {
    auto const start = clock::now();
    EXPECT_THROW(with_timeout(3s,
                              [] {
                                  sleep(2s);
                                  sleep(2s);
                              }),
                 timeout_error);
    EXPECT_EQ(clock::now() - start, 3s);
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, timeout_at_raises_at_its_time) {
    auto const start = clock::now();
    EXPECT_THROW(with_deadline(start + 3s, wait_forever), timeout_error);
    EXPECT_EQ(clock::now() - start, 3s);
}

COIR_CONFORMS(timeouts, timeout_leaves_what_ends_in_time_alone) {
    EXPECT_EQ(with_timeout(1h,
                           [] {
                               yield();
                               return 5;
                           }),
              5);
    EXPECT_THROW(with_timeout(1h, [] { throw std::out_of_range("body"); }), std::out_of_range);
    EXPECT_EQ(current_task().cancelling(), 0u);
}

// Under no setting: there is no runtime.
TEST(timeouts, timeout_needs_a_task) {
    EXPECT_THROW(with_timeout(1s, [] {}), no_running_runtime);
}

COIR_CONFORMS(timeouts, timeout_takes_its_cancellation_back) {
    EXPECT_THROW(with_timeout(1ms, wait_forever), timeout_error);
    EXPECT_EQ(current_task().cancelling(), 0u);
    EXPECT_NO_THROW(yield());
}

COIR_CONFORMS(timeouts, timeout_cancels_what_the_body_awaits) {
    auto t = spawn(wait_forever);
    settle();
    EXPECT_THROW(with_timeout(1ms, [&] { t.get(); }), timeout_error);
    EXPECT_TRUE(t.cancelled());
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, timeout_can_be_rescheduled) {
    auto const start = clock::now();
    EXPECT_THROW(with_timeout(1s,
                              [&](timeout_scope& limit) {
                                  limit.reschedule(start + 10s);
                                  sleep(5s);
                                  limit.reschedule(start + 6s);
                                  wait_forever();
                              }),
                 timeout_error);
    EXPECT_EQ(clock::now() - start, 6s);
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, timeout_may_be_without_a_deadline) {
    with_timeout(k_no_limit, [] { sleep(1h); });
    with_timeout(1s, [](timeout_scope& limit) {
        limit.reschedule(clock::time_point::max());
        sleep(1h);
        EXPECT_FALSE(limit.expired());
    });
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, timeout_tells_its_deadline) {
    auto const start = clock::now();
    with_timeout(3s, [&](timeout_scope const& limit) { EXPECT_EQ(limit.when(), start + 3s); });
    with_timeout(3s, [&](timeout_scope& limit) {
        limit.reschedule(start + 9s);
        EXPECT_EQ(limit.when(), start + 9s);
    });
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, timeout_tells_whether_it_has_expired) {
    EXPECT_THROW(with_timeout(1s,
                              [](timeout_scope const& limit) {
                                  EXPECT_FALSE(limit.expired());
                                  try {
                                      wait_forever();
                                  } catch (cancelled const&) {
                                      EXPECT_TRUE(limit.expired());
                                      throw;
                                  }
                              }),
                 timeout_error);
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, timeout_that_has_expired_cannot_be_rescheduled) {
    EXPECT_THROW(with_timeout(1s,
                              [](timeout_scope& limit) {
                                  try {
                                      wait_forever();
                                  } catch (cancelled const&) {
                                      EXPECT_THROW(limit.reschedule(clock::now() + 1s), invalid_state);
                                      throw;
                                  }
                              }),
                 timeout_error);
}

COIR_CONFORMS(timeouts, cancellation_from_outside_passes_through) {
    auto t = spawn([] { with_timeout(24h, wait_forever); });
    settle();
    t.cancel("from outside");
    try {
        t.get();
        ADD_FAILURE();
    } catch (cancelled const& why) {
        EXPECT_EQ(why.reason(), "from outside");
    }
}

COIR_CONFORMS(timeouts, cancellation_from_outside_wins_over_the_deadline) {
    event has_expired;
    event let_go;
    auto t = spawn([&] {
        with_timeout(1ms, [&] {
            try {
                wait_forever();
            } catch (cancelled const&) {
                cancel_shield const shield;
                has_expired.set();
                let_go.wait();
                throw;
            }
        });
    });
    has_expired.wait();
    t.cancel();
    let_go.set();
    EXPECT_THROW(t.get(), cancelled);
}

COIR_CONFORMS(timeouts, other_exceptions_pass_through_after_the_deadline) {
    EXPECT_THROW(with_timeout(1ms,
                              [] {
                                  try {
                                      wait_forever();
                                  } catch (cancelled const&) {
                                      throw std::out_of_range("while cleaning up");
                                  }
                              }),
                 std::out_of_range);
    EXPECT_EQ(current_task().cancelling(), 0u);
    EXPECT_NO_THROW(yield());
}

COIR_CONFORMS(timeouts, body_that_goes_on_after_the_deadline_gives_its_value) {
    int const got = with_timeout(1ms, [] {
        EXPECT_THROW(wait_forever(), cancelled);
        yield();
        return 5;
    });
    EXPECT_EQ(got, 5);
    EXPECT_EQ(current_task().cancelling(), 0u);
}

COIR_CONFORMS(timeouts, cancellation_that_the_body_never_met_is_gone) {
    with_timeout(1ms, [](timeout_scope const& limit) {
        cancel_shield const shield;
        while (!limit.expired()) {
            sleep(1ms);
        }
    });
    EXPECT_EQ(current_task().cancelling(), 0u);
    EXPECT_NO_THROW(yield());
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, inner_timeout_expires_alone) {
    auto const start = clock::now();
    with_timeout(5s, [](timeout_scope const& outer) {
        EXPECT_THROW(with_timeout(1s, wait_forever), timeout_error);
        sleep(1s);
        EXPECT_FALSE(outer.expired());
    });
    EXPECT_EQ(clock::now() - start, 2s);
}

COIR_CONFORMS_IN_VIRTUAL_TIME(timeouts, outer_timeout_passes_through_the_inner_one) {
    bool inner_was_cancelled = false;
    EXPECT_THROW(with_timeout(1s,
                              [&] {
                                  try {
                                      with_timeout(5s, wait_forever);
                                  } catch (cancelled const&) {
                                      inner_was_cancelled = true;
                                      throw;
                                  }
                              }),
                 timeout_error);
    EXPECT_TRUE(inner_was_cancelled);
}

COIR_CONFORMS(timeouts, past_deadline_takes_effect_at_the_next_await) {
    journal<int> steps;
    EXPECT_THROW(with_deadline(clock::now() - 1h,
                               [&] {
                                   steps.add(1);
                                   wait_forever();
                                   steps.add(2);
                               }),
                 timeout_error);
    EXPECT_EQ(steps.entries(), std::vector<int>{1});
    EXPECT_EQ(with_timeout(0s, [] { return 5; }), 5);
}

}  // namespace
}  // namespace coir
