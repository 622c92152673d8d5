// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/lock.hpp>

#include <gtest/gtest.h>

#include <mutex>
#include <thread>
#include <vector>

namespace coir::detail {
namespace {

TEST(spin_mutex, lets_one_in_at_a_time) {
    constexpr int k_threads = 4;
    constexpr int k_rounds = 20'000;
    spin_mutex lock;
    int inside = 0;
    int entries = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < k_threads; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < k_rounds; ++round) {
                std::lock_guard const guard(lock);
                EXPECT_EQ(++inside, 1);
                ++entries;
                --inside;
            }
        });
    }
    for (auto& t : threads) {
        t.join();
    }
    EXPECT_EQ(entries, k_threads * k_rounds);
}

TEST(spin_mutex, try_lock_does_not_wait) {
    spin_mutex lock;
    EXPECT_TRUE(lock.try_lock());
    EXPECT_FALSE(lock.try_lock());
    lock.unlock();
    EXPECT_TRUE(lock.try_lock());
    lock.unlock();
}

// The holder may have lost its core: then whoever waits has to let it have one.
TEST(spin_mutex, waiter_waits_for_a_holder_that_sleeps) {
    spin_mutex lock;
    bool left = false;
    lock.lock();
    std::thread waiter([&] {
        std::lock_guard const guard(lock);
        EXPECT_TRUE(left);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    left = true;
    lock.unlock();
    waiter.join();
}

}  // namespace
}  // namespace coir::detail
