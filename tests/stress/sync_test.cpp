// SPDX-License-Identifier: BSL-1.0
//
// Every wait of every primitive under wake-ups, cancellations and time-outs at once: what they count stays right.

#include "tests/support/running.hpp"
#include "tests/support/stress.hpp"

#include <coir/core/task/task.hpp>
#include <coir/sync/channel.hpp>
#include <coir/sync/condition_variable.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/mutex.hpp>
#include <coir/sync/semaphore.hpp>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace coir {
namespace {

using waits = test::stress;
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

TEST_F(waits, semaphore_keeps_its_permits) {
    for (int round = 0; round < scaled(5); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        semaphore permits(3);
        std::atomic<int> inside{0};
        std::vector<task<void>> users;
        for (int i = 0; i < 12; ++i) {
            users.push_back(rt.spawn([&, seed = random()()] {
                std::mt19937_64 local(seed);
                for (int n = 0; n < 300; ++n) {
                    try {
                        if (local() % 2 == 0) {
                            if (!permits.try_acquire_for(microseconds(local() % 60))) {
                                continue;
                            }
                        } else {
                            permits.acquire();
                        }
                        EXPECT_LE(inside.fetch_add(1) + 1, 3);
                        if (local() % 4 == 0) {
                            cancel_shield const shield;
                            yield();
                        }
                        inside.fetch_sub(1);
                        permits.release();
                    } catch (cancelled const&) {
                    }
                }
            }));
        }
        std::atomic<bool> stop{false};
        auto canceller = rt.spawn([&, seed = random()()] { cancel_some(users, seed, stop); });
        for (int n = 0; n < 200; ++n) {
            permits.acquire();  // this thread stands in the same line
            permits.release();
        }
        for (auto const& u : users) {
            u.wait();
            EXPECT_FALSE(u.done() && inside < 0);
        }
        stop = true;
        canceller.wait();
        EXPECT_EQ(inside, 0);
        EXPECT_EQ(permits.available(), 3);
    }
}

TEST_F(waits, mutex_excludes_and_is_free_at_the_end) {
    for (int round = 0; round < scaled(5); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        timed_mutex m;
        int inside = 0;
        std::vector<task<void>> users;
        for (int i = 0; i < 10; ++i) {
            users.push_back(rt.spawn([&, seed = random()()] {
                std::mt19937_64 local(seed);
                for (int n = 0; n < 300; ++n) {
                    try {
                        if (local() % 2 == 0) {
                            if (!m.try_lock_for(microseconds(local() % 60))) {
                                continue;
                            }
                        } else {
                            m.lock();
                        }
                        std::unique_lock const lock(m, std::adopt_lock);
                        EXPECT_EQ(++inside, 1);
                        if (local() % 4 == 0) {
                            cancel_shield const shield;
                            yield();
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

TEST_F(waits, channel_loses_and_doubles_no_item) {
    for (int round = 0; round < scaled(8); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        channel<int> ch(below(4));
        constexpr int k_pushers = 4;
        constexpr int k_each = 400;
        std::vector<std::atomic<int>> pushed(k_pushers * k_each);
        std::vector<std::atomic<int>> popped(k_pushers * k_each);
        std::vector<task<void>> users;
        for (int p = 0; p < k_pushers; ++p) {
            users.push_back(rt.spawn([&, p, seed = random()()] {
                std::mt19937_64 local(seed);
                for (int i = p * k_each; i < (p + 1) * k_each; ++i) {
                    auto const at = static_cast<std::size_t>(i);
                    try {
                        if (local() % 2 == 0) {
                            ch.push(i);
                            pushed[at].fetch_add(1);
                        } else if (ch.push_for(i, microseconds(local() % 60)) == channel_status::success) {
                            pushed[at].fetch_add(1);
                        }
                    } catch (cancelled const&) {
                    }
                }
            }));
        }
        std::atomic<int> started{0};  // one that is cancelled before never runs
        std::vector<task<void>> poppers;
        for (int p = 0; p < 3; ++p) {
            poppers.push_back(rt.spawn([&, seed = random()()] {
                started.fetch_add(1);
                std::mt19937_64 local(seed);
                for (;;) {
                    try {
                        int item = -1;
                        auto status = channel_status::success;
                        if (local() % 2 == 0) {
                            auto const got = ch.pop();
                            got ? void(item = *got) : void(status = channel_status::closed);
                        } else {
                            status = ch.pop_for(microseconds(local() % 60), item);
                        }
                        if (status == channel_status::closed) {
                            return;
                        }
                        if (status == channel_status::success) {
                            popped[static_cast<std::size_t>(item)].fetch_add(1);
                        }
                    } catch (cancelled const&) {
                    }
                }
            }));
        }
        test::yield_until([&] { return started == 3; });
        std::atomic<bool> stop{false};
        auto cancels_pushers = rt.spawn([&, seed = random()()] { cancel_some(users, seed, stop); });
        auto cancels_poppers = rt.spawn([&, seed = random()()] { cancel_some(poppers, seed, stop); });
        for (auto const& u : users) {
            u.wait();
        }
        ch.close();
        for (auto const& p : poppers) {
            p.wait();
        }
        stop = true;
        cancels_pushers.wait();
        cancels_poppers.wait();
        for (std::size_t i = 0; i < pushed.size(); ++i) {
            ASSERT_EQ(pushed[i], popped[i]) << "item " << i;
            ASSERT_LE(popped[i], 1);
        }
    }
}

TEST_F(waits, condition_variable_wakes_somebody_for_each_notification) {
    for (int round = 0; round < scaled(5); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        mutex m;
        condition_variable cv;
        int tokens = 0;
        int taken = 0;
        bool closed = false;
        std::atomic<int> started{0};  // one that is cancelled before never runs
        std::vector<task<void>> takers;
        for (int i = 0; i < 8; ++i) {
            takers.push_back(rt.spawn([&] {
                started.fetch_add(1);
                for (;;) {
                    try {
                        std::unique_lock lock(m);
                        cv.wait(lock, [&] { return tokens != 0 || closed; });
                        EXPECT_TRUE(lock.owns_lock());
                        if (tokens == 0) {
                            return;
                        }
                        --tokens;
                        ++taken;
                    } catch (cancelled const&) {
                    }
                }
            }));
        }
        test::yield_until([&] { return started == 8; });
        std::atomic<bool> stop{false};
        auto canceller = rt.spawn([&, seed = random()()] { cancel_some(takers, seed, stop); });
        constexpr int k_tokens = 1'000;
        for (int n = 0; n < k_tokens; ++n) {
            {
                std::lock_guard const guard(m);
                ++tokens;
            }
            cv.notify_one();
        }
        // Each notification must have woken one who was still waiting: nobody notifies again.
        test::yield_until([&] {
            std::lock_guard const guard(m);
            return tokens == 0;
        });
        {
            std::lock_guard const guard(m);
            closed = true;
        }
        cv.notify_all();
        for (auto const& t : takers) {
            t.wait();
        }
        stop = true;
        canceller.wait();
        EXPECT_EQ(taken, k_tokens);
    }
}

TEST_F(waits, event_lets_everybody_pass_in_the_end) {
    for (int round = 0; round < scaled(50); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        event e;
        std::atomic<int> passed{0};
        std::vector<task<void>> waiters;
        for (int i = 0; i < 30; ++i) {
            waiters.push_back(rt.spawn([&, seed = random()()] {
                std::mt19937_64 local(seed);
                for (;;) {
                    try {
                        if (local() % 2 == 0 ? e.wait_for(microseconds(local() % 100)) : (e.wait(), true)) {
                            passed.fetch_add(1);
                            return;
                        }
                    } catch (cancelled const&) {
                    }
                }
            }));
        }
        std::atomic<bool> stop{false};
        auto canceller = rt.spawn([&, seed = random()()] { cancel_some(waiters, seed, stop); });
        e.set();
        int never_started = 0;
        for (auto const& w : waiters) {
            w.wait();
            never_started += w.cancelled();
        }
        stop = true;
        canceller.wait();
        EXPECT_EQ(passed + never_started, 30);
    }
}

}  // namespace
}  // namespace coir
