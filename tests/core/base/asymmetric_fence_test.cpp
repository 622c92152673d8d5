// SPDX-License-Identifier: BSL-1.0
#include "core/base/asymmetric_fence.hpp"

#include <coir/core/base/back_off.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace coir::detail {
namespace {

// Two threads meet again and again: each says that it has come, then looks whether the other one has. Never do both miss
// each other.
TEST(asymmetric_fence, of_two_who_announce_themselves_one_sees_the_other) {
    prepare_asymmetric_fences();
    constexpr int k_rounds = COIR_TSAN ? 5'000 : 50'000;
    constexpr std::chrono::seconds k_long_enough(3);  // on a machine that is busy otherwise they meet less often
    alignas(128) atomic<int> often{0};
    alignas(128) atomic<int> seldom{0};
    alignas(128) std::atomic<int> round_of_other{0};
    alignas(128) std::atomic<int> other_saw{0};
    std::atomic<bool> over{false};
    int misses = 0;
    std::thread other([&] {
        for (int round = 1; round <= k_rounds; ++round) {
            for (back_off wait; round_of_other.load() < round && !over;) {
                wait.pause();
            }
            if (over) {
                return;
            }
            often.store(round, fenced(memory_order_relaxed));
            light_fence();
            other_saw.store(seldom.load(fenced(memory_order_relaxed)) == round ? round : -round);
        }
    });
    auto const give_up = std::chrono::steady_clock::now() + k_long_enough;
    for (int round = 1; round <= k_rounds && std::chrono::steady_clock::now() < give_up; ++round) {
        round_of_other.store(round);
        // Not always the first: a few turns of another length each time.
        for (int i = 0; i < round % 64; ++i) {
            asm volatile("" ::: "memory");
        }
        seldom.store(round, fenced(memory_order_relaxed));
        heavy_fence();
        bool const saw = often.load(fenced(memory_order_relaxed)) == round;
        for (back_off wait; other_saw.load() != round && other_saw.load() != -round;) {
            wait.pause();
        }
        misses += !saw && other_saw.load() == -round ? 1 : 0;
    }
    over = true;
    other.join();
    EXPECT_EQ(misses, 0);
}

}  // namespace
}  // namespace coir::detail
