// SPDX-License-Identifier: BSL-1.0
//
// Locks, barriers and call_once under cancellations, time-outs and destruction at the moment of the wake.

#include "tests/support/racing.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/task.hpp>
#include <coir/sync/barrier.hpp>
#include <coir/sync/broadcast.hpp>
#include <coir/sync/call_once.hpp>
#include <coir/sync/channel.hpp>
#include <coir/sync/condition_variable.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/latch.hpp>
#include <coir/sync/lifo_queue.hpp>
#include <coir/sync/mutex.hpp>
#include <coir/sync/queue.hpp>
#include <coir/sync/recursive_mutex.hpp>
#include <coir/sync/select.hpp>
#include <coir/sync/semaphore.hpp>
#include <coir/sync/shared_mutex.hpp>
#include <coir/sync/watch.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <vector>

namespace coir {
namespace {

using locks = test::stress;
using std::chrono::microseconds;
using test::a_blink;

TEST_F(locks, shared_mutex_excludes_and_is_free_at_the_end) {
    while (another_round({.plain = 20, .sanitized = 88})) {
        runtime rt(runtime_options{.workers = workers()});
        shared_mutex m;
        std::atomic<int> readers{0};
        std::atomic<int> writers{0};
        auto const users = test::repeating(rt, 12, 1'500, random(), [&](std::mt19937_64& local) {
            bool const bounded = local() % 2 == 0;
            if (local() % 3 == 0) {
                if (bounded ? !m.try_lock_for(a_blink(local)) : (m.lock(), false)) {
                    return;
                }
                std::unique_lock const lock(m, std::adopt_lock);
                EXPECT_EQ(writers.fetch_add(1), 0);
                EXPECT_EQ(readers, 0);
                test::perhaps_yield(local);
                writers.fetch_sub(1);
            } else {
                if (bounded ? !m.try_lock_shared_for(a_blink(local)) : (m.lock_shared(), false)) {
                    return;
                }
                std::shared_lock const lock(m, std::adopt_lock);
                readers.fetch_add(1);
                EXPECT_EQ(writers, 0);
                test::perhaps_yield(local);
                readers.fetch_sub(1);
            }
        });
        test::cancel_until_all_end(rt, users, random()());
        EXPECT_TRUE(m.try_lock());
    }
}

TEST_F(locks, recursive_mutex_excludes_and_is_free_at_the_end) {
    while (another_round({.plain = 10, .sanitized = 88})) {
        runtime rt(runtime_options{.workers = workers()});
        recursive_mutex m;
        int inside = 0;
        auto const users = test::repeating(rt, 10, 1'500, random(), [&](std::mt19937_64& local) {
            test::ends_in_time(local, [&] {
                std::unique_lock const outer(m);
                EXPECT_EQ(++inside, 1);
                {
                    test::perhaps_yield(local);
                    cancel_shield const shield;
                    std::unique_lock const inner(m);
                }
                EXPECT_EQ(--inside, 0);
            });
        });
        test::cancel_until_all_end(rt, users, random()());
        EXPECT_TRUE(m.try_lock());
        m.unlock();
    }
}

// Some count down, some wait; who gave up, or was cancelled, comes again. Nobody passes before the last has counted.
TEST_F(locks, latch_lets_everybody_pass_when_the_last_has_counted) {
    while (another_round(30)) {
        runtime rt(runtime_options{.workers = workers()});
        constexpr int k_counters = 8;
        latch l(k_counters);
        std::atomic<int> counted{0};
        auto const waiters = test::running(rt, 12, random(), [&](std::mt19937_64& local) {
            bool const passed = local() % 2 == 0 ? l.wait_for(a_blink(local)) : (l.wait(), true);
            EXPECT_TRUE(!passed || counted == k_counters);
            return !passed;
        });
        test::cancels const some(rt, waiters, random()());
        for (int i = 0; i < k_counters; ++i) {
            rt.spawn([&, wait = a_blink(random())] {
                sleep(wait);
                counted.fetch_add(1);
                l.count_down();
            });
        }
        test::wait_for_all(waiters);
    }
}

// Parties that are cancelled, or give up, come again. Every round that ends has n different indices, so the sum tells how many there were.
TEST_F(locks, barrier_lets_whole_rounds_pass) {
    while (another_round({.plain = 10, .sanitized = 88})) {
        runtime rt(runtime_options{.workers = workers()});
        constexpr int k_parties = 4;
        constexpr int k_rounds = 1'000;
        barrier b(k_parties);
        std::vector<std::atomic<int>> taken(k_parties);
        auto const parties = test::running(rt, k_parties, random(), [&, passed = 0](std::mt19937_64& local) mutable {
            test::ends_in_time(local, [&] {
                taken[b.arrive_and_wait()].fetch_add(1);
                ++passed;
            });
            return passed < k_rounds;
        });
        test::cancel_until_all_end(rt, parties, random()());
        for (auto const& count : taken) {
            EXPECT_EQ(count, k_rounds);
        }
        EXPECT_EQ(b.n_waiting(), 0u);
    }
}

// Parties that are cancelled, or give up, at the moment at which the barrier is broken come again.
TEST_F(locks, barrier_that_is_reset_and_aborted_keeps_nobody) {
    while (another_round(5, 100)) {
        runtime rt(runtime_options{.workers = workers()});
        barrier b(3);
        std::atomic<bool> stop{false};
        auto const parties = test::running(rt, 5, random(), [&](std::mt19937_64& local) {
            try {
                test::ends_in_time(local, [&] { b.arrive_and_wait(); });
            } catch (broken_barrier const&) {
                sleep(a_blink(local));
            }
            return !stop;
        });
        {
            test::cancels const some(rt, parties, random()());
            for (int n = 0; n < 100; ++n) {
                below(2) == 0 ? b.reset() : b.abort();
                rt.spawn([] { yield(); }).wait();
                b.reset();
            }
            stop = true;
            b.abort();
        }
        test::wait_for_all(parties);
        EXPECT_EQ(b.n_waiting(), 0u);
    }
}

TEST_F(locks, call_once_succeeds_once_whoever_fails_before) {
    while (another_round(100, 12)) {
        runtime rt(runtime_options{.workers = workers()});
        once_flag flag;
        std::atomic<int> inside{0};
        std::atomic<int> successes{0};
        std::vector<task<bool>> callers;
        for (int i = 0; i < 12; ++i) {
            callers.push_back(rt.spawn([&, seed = random()()] {
                std::mt19937_64 local(seed);
                bool const in_time = test::ends_in_time(local, [&] {
                    call_once(flag, [&] {
                        EXPECT_EQ(inside.fetch_add(1), 0);
                        struct leave {
                            std::atomic<int>& inside;
                            ~leave() { inside.fetch_sub(1); }
                        } const at_the_end{inside};
                        sleep(microseconds(local() % 20));
                        if (local() % 3 == 0) {
                            throw std::runtime_error("no");
                        }
                        successes.fetch_add(1);
                    });
                    EXPECT_EQ(successes, 1);
                });
                return in_time;
            }));
        }
        test::cancel_until_all_end(rt, callers, random()());
        bool somebody_returned = false;
        for (auto& c : callers) {
            try {
                somebody_returned |= c.get();
            } catch (cancelled const&) {
            } catch (std::runtime_error const&) {
            }
        }
        EXPECT_EQ(successes, somebody_returned ? 1 : 0);
        bool again = false;
        call_once(flag, [&] { again = true; });
        EXPECT_EQ(again, !somebody_returned);
    }
}

// Whoever was let pass destroys what it waited at, while the one who let it pass may still be inside; and just before, it
// may have given up or been cancelled.
TEST_F(locks, what_was_waited_at_may_be_destroyed_at_once) {
    auto const one_of_each_kind = [](runtime& rt, std::mt19937_64& seeds) {
        auto const destroy = [&](auto p, auto const& wait, auto const& let_pass) {
            test::destroy_when_let_pass(rt, std::move(p), seeds, wait, let_pass);
        };
        destroy(
            std::make_unique<latch>(1), [](latch& l, auto& local) { return l.wait_for(a_blink(local)); },
            [](latch& l) { l.count_down(); });
        destroy(
            std::make_unique<event>(), [](event& e, auto& local) { return e.wait_for(a_blink(local)); },
            [](event& e) { e.set(); });
        destroy(
            std::make_unique<semaphore>(0), [](semaphore& s, auto& local) { return s.try_acquire_for(a_blink(local)); },
            [](semaphore& s) { s.release(); });
        auto const pass_through = [](auto& m, auto& local) {
            return m.try_lock_for(a_blink(local)) && (m.unlock(), true);
        };
        auto const unlock = [](auto& m) { m.unlock(); };
        auto m = std::make_unique<timed_mutex>();
        m->lock();
        destroy(std::move(m), pass_through, unlock);
        auto shared = std::make_unique<shared_mutex>();
        shared->lock();
        destroy(std::move(shared), pass_through, unlock);
        auto read = std::make_unique<shared_mutex>();
        read->lock();
        destroy(
            std::move(read),
            [](shared_mutex& r, auto& local) {
                return r.try_lock_shared_for(a_blink(local)) && (r.unlock_shared(), true);
            },
            unlock);
        destroy(
            std::make_unique<channel<int>>(seeds() % 2),
            [](channel<int>& ch, auto& local) {
                int item = 0;
                return ch.pop_for(a_blink(local), item) == channel_status::success;
            },
            [](channel<int>& ch) { ch.push(1); });
        destroy(
            std::make_unique<queue<int>>(),
            [](queue<int>& q, auto& local) { return q.try_get_for(a_blink(local)).has_value(); },
            [](queue<int>& q) { q.put(1); });
        auto in_work = std::make_unique<queue<int>>();
        in_work->put(1);
        in_work->get();
        destroy(
            std::move(in_work), [](queue<int>& q, auto& local) { return q.join_for(a_blink(local)); },
            [](queue<int>& q) { q.task_done(); });
        destroy(
            std::make_unique<lifo_queue<int>>(),
            [](lifo_queue<int>& q, auto& local) { return q.try_get_for(a_blink(local)).has_value(); },
            [](lifo_queue<int>& q) { q.put(1); });

        // Into the room that a pop makes.
        auto full = std::make_unique<channel<int>>(1);
        full->push(1);
        destroy(
            std::move(full),
            [](channel<int>& ch, auto& local) { return ch.push_for(2, a_blink(local)) == channel_status::success; },
            [](channel<int>& ch) { ch.pop(); });
        auto full_queue = std::make_unique<queue<int>>(1);
        full_queue->put(1);
        destroy(
            std::move(full_queue), [](queue<int>& q, auto& local) { return q.try_put_for(2, a_blink(local)); },
            [](queue<int>& q) { q.get(); });
        auto selected = std::make_unique<channel<int>>(1);
        selected->push(1);
        destroy(
            std::move(selected),
            [](channel<int>& ch, auto& local) {
                return select(on_push(ch, 2, [] {}), after(a_blink(local), [] {})) == 0;
            },
            [](channel<int>& ch) { ch.pop(); });

        struct owned {
            recursive_mutex m;
            event locked{};  // once; before that, nobody waits for it
        };
        destroy(
            std::make_unique<owned>(),
            [](owned& o, auto& local) {
                o.locked.wait();
                return test::ends_in_time(local, [&o] { o.m.lock(); }) && (o.m.unlock(), true);
            },
            [](owned& o) {
                o.m.lock();
                o.m.lock();
                o.locked.set();
                o.m.unlock();
                o.m.unlock();
            });

        struct news {
            broadcast<int> of{2};
            broadcast_receiver<int> reader = of.subscribe();
        };
        destroy(
            std::make_unique<news>(),
            [](news& n, auto& local) {
                int item = 0;
                return n.reader.pop_for(a_blink(local), item) == channel_status::success;
            },
            [](news& n) { n.of.push(1); });

        struct state_of_things {
            watch<int> of{0};
            watch_receiver<int> reader = of.subscribe();
        };
        destroy(
            std::make_unique<state_of_things>(),
            [](state_of_things& t, auto& local) {
                return t.reader.changed_for(a_blink(local)) == channel_status::success;
            },
            [](state_of_things& t) { t.of.set(1); });
        destroy(
            std::make_unique<state_of_things>(),
            [](state_of_things& t, auto& local) {
                return t.reader.changed_for(a_blink(local)) == channel_status::closed;
            },
            [](state_of_things& t) { t.of.close(); });

        destroy(
            std::make_unique<barrier>(2),
            [](barrier& b, auto& local) {
                try {
                    test::ends_in_time(local, [&b] { b.arrive_and_wait(); });
                    return false;
                } catch (broken_barrier const&) {
                    return true;
                }
            },
            [](barrier& b) { b.abort(); });

        struct several {
            unsigned pick;
            channel<int> items;
            event happened{};
            promise<int> to{};
            future<int> from = to.get_future();
        };
        destroy(
            std::unique_ptr<several>(
                new several{.pick = static_cast<unsigned>(seeds() % 3), .items = channel<int>(seeds() % 2)}),
            [](several& s, auto& local) {
                auto const ignored = [](int) {};
                return select(on_pop(s.items, ignored), on_ready(s.happened, [] {}), on_ready(s.from, ignored),
                              after(a_blink(local), [] {})) != 3;
            },
            [](several& s) {
                switch (s.pick) {
                case 0:
                    s.items.push(1);
                    break;
                case 1:
                    s.happened.set();
                    break;
                default:
                    s.to.set_value(1);
                }
            });

        struct guarded_flag {
            mutex m;
            condition_variable changed;
            bool set = false;
        };
        destroy(
            std::make_unique<guarded_flag>(),
            [](guarded_flag& f, auto& local) {
                std::unique_lock lock(f.m);
                return f.changed.wait_for(lock, a_blink(local), [&f] { return f.set; });
            },
            [](guarded_flag& f) {
                std::lock_guard const guard(f.m);
                f.set = true;
                f.changed.notify_one();
            });

        struct result {
            promise<int> to;
            future<int> from = to.get_future();
        };
        destroy(
            std::make_unique<result>(),
            [](result& r, auto& local) { return r.from.wait_for(a_blink(local)) == std::future_status::ready; },
            [](result& r) { r.to.set_value(1); });
    };
    while (another_round({.plain = 2, .sanitized = 20})) {
        runtime rt(runtime_options{.workers = workers()});
        test::in_parallel(rt, 8, 20, random(), [&](std::mt19937_64& seeds) { one_of_each_kind(rt, seeds); });
    }
}

// The same with those that nobody in particular lets pass: who has gone through last destroys it.
TEST_F(locks, what_all_have_gone_through_may_be_destroyed_at_once) {
    auto const one_of_each_kind = [](runtime& rt, std::mt19937_64& seeds) {
        test::destroy_when_all_are_through(rt, std::make_unique<barrier>(3), 3, seeds, [](barrier& b, auto& local) {
            return test::ends_in_time(local, [&b] { b.arrive_and_wait(); });
        });
        test::destroy_when_all_are_through(rt, std::make_unique<once_flag>(), 3, seeds,
                                           [](once_flag& flag, auto& local) {
                                               try {
                                                   return test::ends_in_time(local, [&] {
                                                       call_once(flag, [&] {
                                                           sleep(a_blink(local));
                                                           if (local() % 3 == 0) {
                                                               throw std::runtime_error("no");
                                                           }
                                                       });
                                                   });
                                               } catch (std::runtime_error const&) {
                                                   return false;
                                               }
                                           });
        test::destroy_when_all_are_through(rt, std::make_unique<recursive_mutex>(), 3, seeds,
                                           [](recursive_mutex& m, auto& local) {
                                               return test::ends_in_time(local, [&] {
                                                   std::lock_guard const outer(m);
                                                   test::perhaps_yield(local);
                                                   std::lock_guard const inner(m);
                                               });
                                           });
    };
    while (another_round({.plain = 2, .sanitized = 20})) {
        runtime rt(runtime_options{.workers = workers()});
        test::in_parallel(rt, 8, 20, random(), [&](std::mt19937_64& seeds) { one_of_each_kind(rt, seeds); });
    }
}

}  // namespace
}  // namespace coir
