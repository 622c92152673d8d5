// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/memory.hpp"
#include "core/fiber/slab.hpp"
#include "core/fiber/stack_pool.hpp"
#include "tests/core/fiber/accessible.hpp"
#include "tests/core/fiber/stacks.hpp"

#include <atomic>
#include <cstring>
#include <span>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace coir::detail {
namespace {

using test::acquire_many;
using test::k_kib;

void use(stack const& s) {
    std::memset(s.base, 1, s.size);
}

// On both: what trim() may do to a guard depends on how it is made.
class stack_trim : public testing::TestWithParam<guard_kind> {
protected:
    stack_pool& pool = *new stack_pool(64 * k_kib, GetParam());
};

TEST_P(stack_trim, a_slab_without_a_stack_in_use_goes_altogether) {
    auto const stacks = acquire_many(pool, 100);
    EXPECT_EQ(&slab::find(stacks[0].base)->owner(), &pool);
    pool.release_batch(stacks);
    EXPECT_EQ(pool.trim(), 100U);
    EXPECT_EQ(slab::find(stacks[0].base), nullptr);
    auto const counts = pool.count();
    EXPECT_EQ(counts.mapped, 0U);
    EXPECT_EQ(counts.warm + counts.cold, 0U);
    EXPECT_FALSE(accessible(stacks[0].top() - 1));
}

TEST_P(stack_trim, a_pool_works_again_after_all_of_it_went) {
    for (int round = 0; round < 3; ++round) {
        auto const stacks = acquire_many(pool, 100);
        for (stack const& s : stacks) {
            use(s);
            EXPECT_FALSE(accessible(s.base - 1));
        }
        pool.release_batch(stacks);
        pool.trim();
    }
    EXPECT_EQ(pool.count().mapped, 0U);
}

TEST_P(stack_trim, idle_stacks_beside_one_in_use_lose_their_memory_and_keep_their_guard) {
    auto const stacks = acquire_many(pool, 16);
    for (stack const& s : stacks) {
        use(s);
    }
    stack const& in_use = stacks[5];
    for (stack const& s : stacks) {
        if (s.base != in_use.base) {
            pool.release(s);
        }
    }
    EXPECT_EQ(pool.trim(), 15U);
    EXPECT_EQ(high_water_bytes(in_use), in_use.size);
    EXPECT_EQ(*(in_use.base + 100), std::byte{1});
    for (int i = 0; i < 15; ++i) {
        stack const again = pool.acquire();
        EXPECT_EQ(high_water_bytes(again), 0U);
        EXPECT_EQ(*(again.top() - 1), std::byte{0});
        EXPECT_FALSE(accessible(again.base - 1));
        EXPECT_FALSE(accessible(again.base - pool.geometry().guard));
    }
    EXPECT_EQ(pool.count().mapped, 16U);
}

TEST_P(stack_trim, the_stacks_released_last_stay_warm) {
    auto const stacks = acquire_many(pool, 16);
    for (stack const& s : stacks) {
        use(s);
        pool.release(s);
    }
    EXPECT_EQ(pool.trim(3), 13U);
    EXPECT_EQ(pool.count().warm, 3U);
    for (std::size_t i = 16; i-- > 13;) {
        stack const s = pool.acquire();
        EXPECT_EQ(s.base, stacks[i].base);
        EXPECT_EQ(high_water_bytes(s), s.size);
    }
    stack const cold = pool.acquire();
    EXPECT_EQ(high_water_bytes(cold), 0U);
}

TEST_P(stack_trim, stacks_that_nobody_had_used_are_guarded_when_somebody_does) {
    auto const in_use = acquire_many(pool, 49);  // the beginning of the third slab
    pool.trim();
    for (stack const& s : acquire_many(pool, 60)) {
        EXPECT_FALSE(accessible(s.base - 1));
    }
    EXPECT_TRUE(accessible(in_use[48].base));
}

TEST_P(stack_trim, trimming_twice_finds_nothing) {
    auto const stacks = acquire_many(pool, 16);
    pool.release_batch(std::span(stacks).first(15));
    EXPECT_EQ(pool.trim(), 15U);
    EXPECT_EQ(pool.trim(), 0U);
    EXPECT_EQ(pool.count().cold, 15U);
}

TEST_P(stack_trim, other_threads_may_use_the_pool_meanwhile) {
    std::atomic<bool> done{false};
    std::atomic<int> broken{0};
    std::thread user([&] {
        for (int round = 0; round < 2000; ++round) {
            auto const mine = acquire_many(pool, 40);
            for (stack const& s : mine) {
                *(s.top() - 1) = std::byte{7};
            }
            for (stack const& s : mine) {
                broken += *(s.top() - 1) != std::byte{7} ? 1 : 0;
            }
            pool.release_batch(mine);
        }
        done = true;
    });
    for (std::size_t i = 0; !done; ++i) {
        pool.trim(i % 3 == 0 ? 8 : 0);
    }
    user.join();
    EXPECT_EQ(broken, 0);
    pool.trim();
    EXPECT_EQ(pool.count().mapped, 0U);
}

TEST(stack_trim_all, reaches_every_pool_of_the_process) {
    auto& one = stack_pool::for_size(72 * k_kib);
    auto& other = stack_pool::for_size(76 * k_kib);
    one.release(one.acquire());
    other.release(other.acquire());
    EXPECT_GE(stack_pool::trim_all(), 2U);
    EXPECT_EQ(one.count().warm, 0U);
    EXPECT_EQ(other.count().warm, 0U);
}

INSTANTIATE_TEST_SUITE_P(kinds, stack_trim, testing::Values(best_guard_kind(), guard_kind::protection),
                         [](testing::TestParamInfo<guard_kind> const& kind) {
                             return kind.index == 0 ? "best" : "protection";
                         });

}  // namespace
}  // namespace coir::detail
