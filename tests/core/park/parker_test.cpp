// SPDX-License-Identifier: BSL-1.0
#include "core/park/parker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <new>
#include <thread>

namespace {

using coir::detail::thread_parker;
using steady = std::chrono::steady_clock;

steady::time_point long_ago() {
    return steady::now() - std::chrono::hours(1);
}

TEST(thread_parker, unpark_before_park_lets_it_through) {
    thread_parker parker;
    parker.unpark();
    parker.park();
}

TEST(thread_parker, several_unparks_leave_one_token) {
    thread_parker parker;
    parker.unpark();
    parker.unpark();
    parker.park();
    EXPECT_FALSE(parker.park_until(long_ago()));
}

TEST(thread_parker, passed_deadline_still_uses_a_token_that_is_there) {
    thread_parker parker;
    parker.unpark();
    EXPECT_TRUE(parker.park_until(long_ago()));
    EXPECT_FALSE(parker.park_until(long_ago()));
}

TEST(thread_parker, gives_up_at_the_deadline_and_not_before) {
    thread_parker parker;
    auto const deadline = steady::now() + std::chrono::milliseconds(5);
    EXPECT_FALSE(parker.park_until(deadline));
    EXPECT_GE(steady::now(), deadline);
}

TEST(thread_parker, accepts_the_ends_of_the_clock_as_deadlines) {
    thread_parker parker;
    EXPECT_FALSE(parker.park_until(steady::time_point::min()));
    std::thread other([&] { parker.unpark(); });
    EXPECT_TRUE(parker.park_until(steady::time_point::max()));
    other.join();
}

TEST(thread_parker, is_usable_after_a_deadline_has_passed) {
    thread_parker parker;
    EXPECT_FALSE(parker.park_until(long_ago()));
    std::thread other([&] { parker.unpark(); });
    parker.park();
    other.join();
}

TEST(thread_parker_stress, two_threads_hand_each_other_the_turn) {
    constexpr int k_rounds = 20'000;
    thread_parker ping;
    thread_parker pong;
    int turn = 0;  // plain: the parkers order it
    std::thread other([&] {
        for (int round = 0; round < k_rounds; ++round) {
            ping.park();
            EXPECT_EQ(turn, 2 * round + 1);
            ++turn;
            pong.unpark();
        }
    });
    for (int round = 0; round < k_rounds; ++round) {
        ++turn;
        ping.unpark();
        if (round % 2 == 0) {
            pong.park();
        } else {
            EXPECT_TRUE(pong.park_until(steady::time_point::max()));
        }
        EXPECT_EQ(turn, 2 * round + 2);
    }
    other.join();
}

// The unparker may still be inside unpark() when the parker is gone.
TEST(thread_parker_stress, may_be_destroyed_as_soon_as_park_has_returned) {
    constexpr int k_rounds = 50'000;
    std::atomic<thread_parker*> current{nullptr};
    std::thread unparker([&] {
        for (int round = 0; round < k_rounds; ++round) {
            thread_parker* parker = nullptr;
            while ((parker = current.exchange(nullptr, std::memory_order_acquire)) == nullptr) {
                std::this_thread::yield();
            }
            parker->unpark();
        }
    });
    alignas(thread_parker) unsigned char storage[sizeof(thread_parker)];
    for (int round = 0; round < k_rounds; ++round) {
        auto* const parker = new (storage) thread_parker;
        current.store(parker, std::memory_order_release);
        parker->park();
        parker->~thread_parker();
        // A late write by unpark() would be found here, or in the next parker.
        std::memset(storage, 0x5a, sizeof storage);
        for (unsigned char const byte : storage) {
            ASSERT_EQ(byte, 0x5a);
        }
    }
    unparker.join();
}

}  // namespace
