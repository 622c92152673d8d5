// SPDX-License-Identifier: BSL-1.0
#include "core/base/futex.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace coir::detail {
namespace {

using namespace std::chrono_literals;

TEST(futex, does_not_sleep_on_a_word_that_has_changed) {
    std::atomic<std::uint32_t> word{1};
    futex_wait(word, 0);
    EXPECT_TRUE(futex_wait_until(word, 0, std::chrono::steady_clock::now() + 1h));
}

TEST(futex, wait_ends_at_its_deadline_and_not_before) {
    std::atomic<std::uint32_t> word{0};
    auto const deadline = std::chrono::steady_clock::now() + 5ms;
    while (futex_wait_until(word, 0, deadline)) {
    }
    EXPECT_GE(std::chrono::steady_clock::now(), deadline);
    EXPECT_FALSE(futex_wait_until(word, 0, std::chrono::steady_clock::time_point{}));
}

TEST(futex, every_sleeper_is_woken) {
    std::atomic<std::uint32_t> word{0};
    std::atomic<int> awake{0};
    std::vector<std::thread> sleepers;
    for (int i = 0; i < 4; ++i) {
        sleepers.emplace_back([&, i] {
            while (word.load() == 0) {
                if (i % 2 == 0) {
                    futex_wait(word, 0);
                } else {
                    futex_wait_until(word, 0, std::chrono::steady_clock::now() + 1h);
                }
            }
            ++awake;
        });
    }
    word = 1;
    futex_wake(word, 4);
    for (auto& s : sleepers) {
        s.join();
    }
    EXPECT_EQ(awake, 4);
}

}  // namespace
}  // namespace coir::detail
