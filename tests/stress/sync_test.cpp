// SPDX-License-Identifier: BSL-1.0
//
// Every wait of every primitive under wake-ups, cancellations and time-outs at once: what they count stays right.

#include "tests/support/racing.hpp"

#include <coir/core/task/task.hpp>
#include <coir/sync/channel.hpp>
#include <coir/sync/condition_variable.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/mutex.hpp>
#include <coir/sync/semaphore.hpp>
#include <coir/sync/watch.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace coir {
namespace {

using waits = test::stress;
using test::a_blink;

// By each of the tasks, in one round.
constexpr int k_calls = 1'500;
// Where one would leave most workers idle: only few of those who use it can go on at a time.
constexpr std::size_t k_objects = 2;

TEST_F(waits, semaphore_keeps_its_permits) {
    while (another_round({.plain = 20, .sanitized = 88})) {
        runtime rt(runtime_options{.workers = workers()});
        struct gate {
            bounded_semaphore permits{3};
            std::atomic<int> inside{0};
        };
        std::array<gate, k_objects> gates;
        auto const users = test::repeating(rt, 12, k_calls, random(), [&](std::mt19937_64& local) {
            auto& [permits, inside] = gates[local() % k_objects];
            if (local() % 2 == 0 ? !permits.try_acquire_for(a_blink(local)) : (permits.acquire(), false)) {
                return;
            }
            EXPECT_LE(inside.fetch_add(1) + 1, 3);
            test::perhaps_yield(local);
            inside.fetch_sub(1);
            permits.release();
        });
        {
            test::cancels const some(rt, users, random()());
            for (int n = 0; n < 200; ++n) {
                gates[0].permits.acquire();  // this thread stands in the same line
                gates[0].permits.release();
            }
            test::wait_for_all(users);
        }
        for (gate const& each : gates) {
            EXPECT_EQ(each.inside, 0);
            EXPECT_EQ(each.permits.available(), 3);
        }
    }
}

TEST_F(waits, mutex_excludes_and_is_free_at_the_end) {
    while (another_round({.plain = 20, .sanitized = 88})) {
        runtime rt(runtime_options{.workers = workers()});
        struct guarded {
            timed_mutex m;
            int inside = 0;
        };
        std::array<guarded, k_objects> all;
        auto const users = test::repeating(rt, 12, k_calls, random(), [&](std::mt19937_64& local) {
            auto& [m, inside] = all[local() % k_objects];
            if (local() % 2 == 0 ? !m.try_lock_for(a_blink(local)) : (m.lock(), false)) {
                return;
            }
            std::unique_lock const lock(m, std::adopt_lock);
            EXPECT_EQ(++inside, 1);
            test::perhaps_yield(local);
            EXPECT_EQ(--inside, 0);
        });
        test::cancel_until_all_end(rt, users, random()());
        for (guarded& each : all) {
            EXPECT_TRUE(each.m.try_lock());
            each.m.unlock();
        }
    }
}

TEST_F(waits, channel_loses_and_doubles_no_item) {
    while (another_round({.plain = 20, .sanitized = 88})) {
        runtime rt(runtime_options{.workers = workers()});
        channel<int> ch(below(4));
        constexpr int k_pushers = 6;
        constexpr int k_each = k_calls;
        std::atomic<int> next{0};
        std::vector<std::atomic<int>> pushed(k_pushers * k_each);
        std::vector<std::atomic<int>> popped(k_pushers * k_each);
        auto const pushers = test::repeating(rt, k_pushers, k_each, random(), [&](std::mt19937_64& local) {
            int const item = next.fetch_add(1);
            if (local() % 2 == 0 ? (ch.push(item), true)
                                 : ch.push_for(item, a_blink(local)) == channel_status::success) {
                pushed[static_cast<std::size_t>(item)].fetch_add(1);
            }
        });
        auto const poppers = test::running(rt, 5, random(), [&](std::mt19937_64& local) {
            int item = -1;
            auto status = channel_status::success;
            if (local() % 2 == 0) {
                auto const got = ch.pop();
                got ? void(item = *got) : void(status = channel_status::closed);
            } else {
                status = ch.pop_for(a_blink(local), item);
            }
            if (status == channel_status::success) {
                popped[static_cast<std::size_t>(item)].fetch_add(1);
            }
            return status != channel_status::closed;
        });
        {
            test::cancels const some_poppers(rt, poppers, random()());
            test::cancel_until_all_end(rt, pushers, random()());
            ch.close();
            test::wait_for_all(poppers);
        }
        for (std::size_t i = 0; i < pushed.size(); ++i) {
            ASSERT_EQ(pushed[i], popped[i]) << "item " << i;
            ASSERT_LE(popped[i], 1);
        }
    }
}

TEST_F(waits, condition_variable_wakes_somebody_for_each_notification) {
    while (another_round({.plain = 20, .sanitized = 88})) {
        runtime rt(runtime_options{.workers = workers()});
        mutex m;
        condition_variable cv;
        int tokens = 0;
        int taken = 0;
        bool closed = false;
        // Half of the rounds without time-outs: then each notification must have woken one who was still waiting.
        bool const with_timeouts = round_number() % 2 == 0;
        auto const takers = test::running(rt, 8, random(), [&](std::mt19937_64& local) {
            std::unique_lock lock(m);
            auto const is_due = [&] { return tokens != 0 || closed; };
            if (with_timeouts && local() % 2 == 0) {
                if (!cv.wait_for(lock, a_blink(local), is_due)) {
                    EXPECT_TRUE(lock.owns_lock());
                    return true;
                }
            } else {
                cv.wait(lock, is_due);
            }
            EXPECT_TRUE(lock.owns_lock());
            if (tokens == 0) {
                return false;
            }
            --tokens;
            ++taken;
            return true;
        });
        test::cancels const some(rt, takers, random()());
        constexpr int k_tokens = 5'000;
        for (int n = 0; n < k_tokens; ++n) {
            {
                std::lock_guard const guard(m);
                ++tokens;
            }
            cv.notify_one();
        }
        // Nobody notifies again.
        test::yield_until([&] {
            std::lock_guard const guard(m);
            return tokens == 0;
        });
        {
            std::lock_guard const guard(m);
            closed = true;
        }
        cv.notify_all();
        test::wait_for_all(takers);
        EXPECT_EQ(taken, k_tokens);
    }
}

TEST_F(waits, event_lets_everybody_pass_in_the_end) {
    while (another_round(50)) {
        runtime rt(runtime_options{.workers = workers()});
        event e;
        std::atomic<int> passed{0};
        auto const waiters = test::running(rt, 30, random(), [&](std::mt19937_64& local) {
            bool const through = local() % 2 == 0 ? e.wait_for(a_blink(local)) : (e.wait(), true);
            passed.fetch_add(through);
            return !through;
        });
        test::cancels const some(rt, waiters, random()());
        e.set();
        test::wait_for_all(waiters);
        EXPECT_EQ(passed, 30);
    }
}

// Receivers may skip values, but count what they skip, and see the last one; the watch goes while they still wait.
TEST_F(waits, watch_receivers_account_for_every_change) {
    constexpr std::uint64_t k_changes = 2'000;
    while (another_round({.plain = 20, .sanitized = 88}, k_changes)) {
        runtime rt(runtime_options{.workers = workers()});
        auto w = std::make_unique<watch<std::uint64_t>>(0);
        std::vector<task<void>> followers;
        std::atomic<int> started{0};  // one that is cancelled before never runs
        for (int i = 0; i < 6; ++i) {
            followers.push_back(rt.spawn([&, r = w->subscribe(), seed = random()()]() mutable {
                started.fetch_add(1);
                std::mt19937_64 local(seed);
                std::uint64_t last = 0;
                std::uint64_t calls = 0;
                for (bool more = true; more; ++calls) {
                    try {
                        if (local() % 2 == 0) {
                            std::uint64_t const changes = r.changed();
                            more = changes != 0;
                            EXPECT_GE(r.get(), last + changes);
                        } else {
                            more = r.changed_for(a_blink(local)) != channel_status::closed;
                        }
                        EXPECT_GE(r.get(), last);
                        last = r.get();
                    } catch (cancelled const&) {
                    }
                }
                EXPECT_EQ(last, k_changes);
                did(calls);
            }));
        }
        test::yield_until([&] { return started == 6; });
        test::cancels const some(rt, followers, random()());
        for (std::uint64_t i = 1; i <= k_changes; ++i) {
            w->set(i);
        }
        w.reset();
        test::wait_for_all(followers);
    }
}

// Whatever ends the wait for a tick, all come at multiples of the period, each once.
TEST_F(waits, interval_ticks_at_multiples_of_its_period) {
    auto const k_period = std::chrono::microseconds(20);
    while (another_round(5)) {
        runtime rt(runtime_options{.workers = workers()});
        auto const owners = test::repeating(
            rt, 6, 200, random(),
            [k_period, every = interval(k_period), last = clock::time_point()](std::mt19937_64& local) mutable {
                clock::time_point due;
                if (!test::ends_in_time(local, [&] { due = every.tick(); })) {
                    return;
                }
                EXPECT_GE(clock::now(), due);
                if (last != clock::time_point()) {
                    EXPECT_GT(due, last);
                    EXPECT_EQ((due - last) % k_period, clock::duration::zero());
                }
                last = due;
            });
        test::cancel_until_all_end(rt, owners, random()());
    }
}

// Where nobody is late, a tick whose wait was ended is the next to come.
TEST_F(waits, interval_leaves_out_no_tick_for_a_wait_that_was_ended) {
    while (another_round(20, 100)) {
        auto const seed = random()();
        run(runtime_options{.seed = seed}, [seed] {
            std::mt19937_64 local(seed);
            bool done = false;
            auto ticks = spawn([&done, seed]() mutable {
                std::mt19937_64 own(seed);
                interval every(test::k_a_moment);
                auto const start = clock::now();
                for (int n = 1; n <= 100;) {
                    try {
                        if (test::ends_in_time(own, [&] { EXPECT_EQ(every.tick(), start + n * test::k_a_moment); })) {
                            ++n;
                        }
                    } catch (cancelled const&) {
                    }
                }
                done = true;
            });
            yield();
            while (!done) {
                ticks.cancel();
                sleep(std::chrono::microseconds(local() % 2'000));
            }
            ticks.get();
        });
    }
}

}  // namespace
}  // namespace coir
