// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/lock.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <time.h>
#include <unistd.h>

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

// How often a thread of this process has given up its processor by itself; -1 if the kernel does not say.
long sleeps_of(pid_t thread) {
    std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
    std::string const wanted = "voluntary_ctxt_switches:";
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(wanted)) {
            return std::stol(line.substr(wanted.size()));
        }
    }
    return -1;
}

// The processor that a waiter uses up may be the one that the preempted holder needs.
TEST(spin_mutex, waiter_gives_up_its_processor_again_and_again) {
    constexpr long k_sleeps = 10;
    constexpr double k_spun_too_long = 0.2;  // seconds of the waiter's own processor time: however busy the machine is
    spin_mutex lock;
    lock.lock();
    std::atomic<pid_t> waiter_id{0};
    std::thread waiter([&] {
        waiter_id = ::gettid();
        std::lock_guard const guard(lock);
    });
    while (waiter_id == 0) {
        std::this_thread::yield();
    }
    clockid_t processor_time{};
    EXPECT_EQ(::pthread_getcpuclockid(waiter.native_handle(), &processor_time), 0);
    long const before = sleeps_of(waiter_id);
    EXPECT_GE(before, 0);
    long sleeps = 0;
    double used = 0;
    while ((sleeps = sleeps_of(waiter_id) - before) < k_sleeps && used < k_spun_too_long) {
        timespec now{};
        EXPECT_EQ(::clock_gettime(processor_time, &now), 0);
        used = static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
        std::this_thread::yield();
    }
    lock.unlock();
    waiter.join();
    EXPECT_GE(sleeps, k_sleeps) << "in " << used << " s of processor time";
}

}  // namespace
}  // namespace coir::detail
