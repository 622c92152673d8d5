// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/mutex.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>

#include <mutex>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

TEST(mutex, excludes_tasks_and_threads) {
    for (unsigned const workers : {1u, 4u}) {
        constexpr int k_each = 5'000;
        mutex m;
        int counter = 0;
        auto count = [&] {
            for (int i = 0; i < k_each; ++i) {
                std::lock_guard const guard(m);
                ++counter;
            }
        };
        runtime rt(runtime_options{.workers = workers});
        std::vector<task<void>> tasks;
        for (int i = 0; i < 4; ++i) {
            tasks.push_back(rt.spawn(count));
        }
        std::thread thread(count);
        thread.join();
        for (auto& t : tasks) {
            t.get();
        }
        EXPECT_EQ(counter, 5 * k_each);
    }
}

TEST(mutex, holder_may_suspend_and_go_on_elsewhere) {
    on_one_and_four_workers([] {
        mutex m;
        int inside = 0;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 8; ++i) {
            tasks.push_back(spawn([&] {
                for (int round = 0; round < 50; ++round) {
                    std::unique_lock const lock(m);
                    EXPECT_EQ(++inside, 1);
                    yield();
                    EXPECT_EQ(--inside, 0);
                }
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
    });
}

TEST(mutex, waiters_get_it_in_the_order_of_their_coming) {
    on_one_and_four_workers([] {
        mutex m;
        m.lock();
        std::vector<int> order;
        std::vector<task<void>> waiters;
        for (int i = 0; i < 20; ++i) {
            waiters.push_back(spawn([&, i] {
                std::lock_guard const guard(m);
                order.push_back(i);
            }));
            yield_until_waiting(waiters.back());
        }
        m.unlock();
        for (auto& w : waiters) {
            w.get();
        }
        ASSERT_EQ(order.size(), 20u);
        for (int i = 0; i < 20; ++i) {
            EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
        }
    });
}

TEST(mutex, is_handed_over_and_not_taken_in_between) {
    on_one_and_four_workers([] {
        mutex m;
        m.lock();
        std::atomic<bool> go{false};
        auto waiter = spawn([&] {
            std::lock_guard const guard(m);
            test::yield_until([&] { return go.load(); });
        });
        yield_until_waiting(waiter);
        m.unlock();
        EXPECT_FALSE(m.try_lock());
        go = true;
        waiter.get();
        EXPECT_TRUE(m.try_lock());
        m.unlock();
    });
}

TEST(mutex, cancelled_waiter_does_not_keep_it) {
    on_one_and_four_workers([] {
        mutex m;
        m.lock();
        auto waiter = spawn([&] { m.lock(); });
        yield_until_waiting(waiter);
        waiter.cancel();
        EXPECT_THROW(waiter.get(), cancelled);
        m.unlock();
        EXPECT_TRUE(m.try_lock());
        m.unlock();
    });
}

TEST(mutex, waiter_that_is_chosen_and_cancelled_at_once_does_not_lose_it) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 500; ++round) {
            mutex m;
            m.lock();
            auto waiter = spawn([&] { std::lock_guard const guard(m); });
            auto canceller = spawn([&] { waiter.cancel(); });
            if (round % 2 == 0) {
                yield();
            }
            m.unlock();
            canceller.get();
            waiter.wait();
            EXPECT_TRUE(m.try_lock());
            m.unlock();
        }
    });
}

TEST(mutex, works_with_scoped_lock_on_two) {
    on_one_and_four_workers([] {
        mutex a;
        mutex b;
        int counter = 0;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 4; ++i) {
            tasks.push_back(spawn([&, i] {
                for (int round = 0; round < 200; ++round) {
                    if (i % 2 == 0) {
                        std::scoped_lock const both(a, b);
                        ++counter;
                    } else {
                        std::scoped_lock const both(b, a);
                        ++counter;
                    }
                }
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
        EXPECT_EQ(counter, 800);
    });
}

TEST(timed_mutex, gives_up_in_time_and_stays_usable) {
    on_one_and_four_workers([] {
        timed_mutex m;
        EXPECT_TRUE(m.try_lock_for(k_a_moment));
        auto t = spawn([&] { return m.try_lock_for(k_a_moment); });
        EXPECT_FALSE(t.get());
        auto u = spawn([&] { return m.try_lock_until(clock::now()); });
        EXPECT_FALSE(u.get());
        auto v = spawn([&] {
            std::unique_lock const lock(m, std::chrono::hours::max());
            return lock.owns_lock();
        });
        yield_until_waiting(v);
        m.unlock();
        EXPECT_TRUE(v.get());
        EXPECT_TRUE(m.try_lock());
        m.unlock();
    });
}

}  // namespace
}  // namespace coir
