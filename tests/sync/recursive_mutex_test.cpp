// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/recursive_mutex.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>

#include <mutex>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;
using test::yield_until_waiting;

TEST(recursive_mutex, its_owner_locks_it_again_and_unlocks_as_often) {
    on_one_and_four_workers([] {
        recursive_mutex m;
        std::unique_lock outer(m);
        std::unique_lock inner(m);
        EXPECT_TRUE(m.try_lock());
        auto other = spawn([&] { return m.try_lock(); });
        EXPECT_FALSE(other.get());
        m.unlock();
        inner.unlock();
        auto waiter = spawn([&] { std::scoped_lock const lock(m); });
        yield_until_waiting(waiter);
        outer.unlock();
        waiter.get();
        EXPECT_TRUE(m.try_lock());
        m.unlock();
    });
}

TEST(recursive_mutex, owner_stays_the_owner_on_another_thread) {
    on_one_and_four_workers([] {
        recursive_mutex m;
        std::vector<task<void>> users;
        int inside = 0;
        for (int i = 0; i < 20; ++i) {
            users.push_back(spawn([&] {
                for (int n = 0; n < 50; ++n) {
                    std::lock_guard const outer(m);
                    EXPECT_EQ(++inside, 1);
                    yield();
                    std::lock_guard const inner(m);
                    yield();
                    EXPECT_EQ(--inside, 0);
                }
            }));
        }
        for (auto& u : users) {
            u.get();
        }
    });
}

TEST(recursive_mutex, cancelled_waiter_owns_nothing) {
    on_one_and_four_workers([] {
        recursive_mutex m;
        m.lock();
        auto waiter = spawn([&] { m.lock(); });
        yield_until_waiting(waiter);
        waiter.cancel();
        EXPECT_THROW(waiter.get(), cancelled);
        m.unlock();
        auto next = spawn([&] {
            std::lock_guard const lock(m);
            return true;
        });
        EXPECT_TRUE(next.get());
    });
}

TEST(recursive_mutex, serves_plain_threads_and_tasks) {
    runtime rt(runtime_options{.workers = 2});
    recursive_mutex m;
    int count = 0;
    auto body = [&] {
        for (int n = 0; n < 500; ++n) {
            std::lock_guard const outer(m);
            std::lock_guard const inner(m);
            ++count;
        }
    };
    std::thread thread(body);
    auto t = rt.spawn(body);
    body();
    thread.join();
    t.get();
    EXPECT_EQ(count, 1500);
}

TEST(recursive_mutex_death, unlock_by_another_one_ends_the_process) {
    recursive_mutex m;
    EXPECT_DEATH(m.unlock(), "recursive_mutex::unlock");
}

}  // namespace
}  // namespace coir
