// SPDX-License-Identifier: BSL-1.0
//
// Locks, barriers and call_once under cancellations, time-outs and destruction at the moment of the wake.

#include "tests/support/running.hpp"
#include "tests/support/stress.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/task/task.hpp>
#include <coir/sync/barrier.hpp>
#include <coir/sync/call_once.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/latch.hpp>
#include <coir/sync/recursive_mutex.hpp>
#include <coir/sync/semaphore.hpp>
#include <coir/sync/shared_mutex.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace coir {
namespace {

using locks = test::stress;
using std::chrono::microseconds;

// Cancels tasks at random until told to stop.
template <class T>
void cancel_some(std::vector<task<T>> const& victims, std::uint64_t seed, std::atomic<bool> const& stop) {
    std::mt19937_64 random(seed);
    while (!stop) {
        victims[random() % victims.size()].cancel();
        sleep(microseconds(random() % 50));
    }
}

TEST_F(locks, shared_mutex_excludes_and_is_free_at_the_end) {
    for (int round = 0; round < scaled(5); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        shared_mutex m;
        std::atomic<int> readers{0};
        std::atomic<int> writers{0};
        std::vector<task<void>> users;
        for (int i = 0; i < 12; ++i) {
            users.push_back(rt.spawn([&, seed = random()()] {
                std::mt19937_64 local(seed);
                for (int n = 0; n < 300; ++n) {
                    try {
                        bool const bounded = local() % 2 == 0;
                        auto const limit = microseconds(local() % 60);
                        if (local() % 3 == 0) {
                            if (bounded ? !m.try_lock_for(limit) : (m.lock(), false)) {
                                continue;
                            }
                            std::unique_lock const lock(m, std::adopt_lock);
                            EXPECT_EQ(writers.fetch_add(1), 0);
                            EXPECT_EQ(readers, 0);
                            if (local() % 4 == 0) {
                                cancel_shield const shield;
                                yield();
                            }
                            writers.fetch_sub(1);
                        } else {
                            if (bounded ? !m.try_lock_shared_for(limit) : (m.lock_shared(), false)) {
                                continue;
                            }
                            std::shared_lock const lock(m, std::adopt_lock);
                            readers.fetch_add(1);
                            EXPECT_EQ(writers, 0);
                            if (local() % 4 == 0) {
                                cancel_shield const shield;
                                yield();
                            }
                            readers.fetch_sub(1);
                        }
                    } catch (cancelled const&) {
                    }
                }
            }));
        }
        std::atomic<bool> stop{false};
        auto canceller = rt.spawn([&, seed = random()()] { cancel_some(users, seed, stop); });
        for (auto const& u : users) {
            u.wait();
        }
        stop = true;
        canceller.wait();
        EXPECT_TRUE(m.try_lock());
    }
}

TEST_F(locks, recursive_mutex_excludes_and_is_free_at_the_end) {
    for (int round = 0; round < scaled(5); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        recursive_mutex m;
        int inside = 0;
        std::vector<task<void>> users;
        for (int i = 0; i < 10; ++i) {
            users.push_back(rt.spawn([&, seed = random()()] {
                std::mt19937_64 local(seed);
                for (int n = 0; n < 300; ++n) {
                    try {
                        std::unique_lock const outer(m);
                        EXPECT_EQ(++inside, 1);
                        {
                            cancel_shield const shield;
                            if (local() % 4 == 0) {
                                yield();
                            }
                            std::unique_lock const inner(m);
                        }
                        EXPECT_EQ(--inside, 0);
                    } catch (cancelled const&) {
                    }
                }
            }));
        }
        std::atomic<bool> stop{false};
        auto canceller = rt.spawn([&, seed = random()()] { cancel_some(users, seed, stop); });
        for (auto const& u : users) {
            u.wait();
        }
        stop = true;
        canceller.wait();
        EXPECT_TRUE(m.try_lock());
        m.unlock();
    }
}

// Parties that are cancelled come again. Every round that ends has n different indices, so the sum tells how many there were.
TEST_F(locks, barrier_lets_whole_rounds_pass) {
    for (int round = 0; round < scaled(10); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        constexpr int k_parties = 4;
        constexpr int k_rounds = 200;
        barrier b(k_parties);
        std::vector<std::atomic<int>> taken(k_parties);
        std::atomic<int> started{0};  // one that is cancelled before never runs
        std::vector<task<void>> parties;
        for (int i = 0; i < k_parties; ++i) {
            parties.push_back(rt.spawn([&] {
                started.fetch_add(1);
                for (int passed = 0; passed < k_rounds;) {
                    try {
                        taken[b.arrive_and_wait()].fetch_add(1);
                        ++passed;
                    } catch (cancelled const&) {
                    }
                }
            }));
        }
        test::yield_until([&] { return started == k_parties; });
        std::atomic<bool> stop{false};
        auto canceller = rt.spawn([&, seed = random()()] { cancel_some(parties, seed, stop); });
        for (auto const& p : parties) {
            p.wait();
        }
        stop = true;
        canceller.wait();
        for (auto const& count : taken) {
            EXPECT_EQ(count, k_rounds);
        }
        EXPECT_EQ(b.n_waiting(), 0u);
    }
}

TEST_F(locks, barrier_that_is_reset_and_aborted_keeps_nobody) {
    for (int round = 0; round < scaled(5); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        barrier b(3);
        std::atomic<bool> stop{false};
        std::vector<task<void>> parties;
        for (int i = 0; i < 5; ++i) {
            parties.push_back(rt.spawn([&] {
                while (!stop) {
                    try {
                        b.arrive_and_wait();
                    } catch (broken_barrier const&) {
                        yield();
                    }
                }
            }));
        }
        for (int n = 0; n < 100; ++n) {
            below(2) == 0 ? b.reset() : b.abort();
            rt.spawn([] { yield(); }).wait();
            b.reset();
        }
        stop = true;
        b.abort();
        for (auto const& p : parties) {
            p.wait();
        }
        EXPECT_EQ(b.n_waiting(), 0u);
    }
}

TEST_F(locks, call_once_succeeds_once_whoever_fails_before) {
    for (int round = 0; round < scaled(100); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        once_flag flag;
        std::atomic<int> inside{0};
        std::atomic<int> successes{0};
        std::vector<task<void>> callers;
        for (int i = 0; i < 12; ++i) {
            callers.push_back(rt.spawn([&, seed = random()()] {
                std::mt19937_64 local(seed);
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
            }));
        }
        std::atomic<bool> stop{false};
        auto canceller = rt.spawn([&, seed = random()()] { cancel_some(callers, seed, stop); });
        bool somebody_returned = false;
        for (auto& c : callers) {
            try {
                c.get();
                somebody_returned = true;
            } catch (cancelled const&) {
            } catch (std::runtime_error const&) {
            }
        }
        stop = true;
        canceller.wait();
        EXPECT_EQ(successes, somebody_returned ? 1 : 0);
        bool again = false;
        call_once(flag, [&] { again = true; });
        EXPECT_EQ(again, !somebody_returned);
    }
}

// Whoever was let pass destroys what it waited at, while the one who let it pass may still be inside.
TEST_F(locks, what_was_waited_at_may_be_destroyed_at_once) {
    runtime rt(runtime_options{.workers = workers()});
    for (int round = 0; round < scaled(300); ++round) {
        auto l = std::make_unique<latch>(1);
        auto e = std::make_unique<event>();
        auto s = std::make_unique<semaphore>(0);
        auto m = std::make_unique<shared_mutex>();
        m->lock();
        auto other = rt.spawn([l = l.get(), e = e.get(), s = s.get(), m = m.get()] {
            l->count_down();
            e->set();
            s->release();
            m->unlock();
        });
        auto waiter = rt.spawn([&] {
            l->wait();
            l.reset();
            e->wait();
            e.reset();
            s->acquire();
            s.reset();
            m->lock_shared();
            m->unlock_shared();
            m.reset();
        });
        waiter.get();
        other.get();
    }
}

}  // namespace
}  // namespace coir
