// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/memory.hpp"
#include "core/fiber/stack_pool.hpp"

#include <cstring>

#include <gtest/gtest.h>

namespace coir::detail {
namespace {

class stack_high_water : public testing::Test {
protected:
    stack_high_water() : s(pool.acquire()) {}

    // What lies between the stack's top and the lowest byte of the page that is `depth` bytes below it.
    std::size_t down_to_page_of(std::size_t depth) const {
        auto const distance = static_cast<std::size_t>(s.top() - depth - s.base);
        return s.size - distance / page_size() * page_size();
    }

    stack_pool& pool = *new stack_pool(std::size_t{4} << 20);  // more pages than one look at the kernel's table takes
    stack s;
};

TEST_F(stack_high_water, is_zero_for_a_stack_that_nobody_used) {
    EXPECT_EQ(high_water_bytes(s), 0U);
}

TEST_F(stack_high_water, counts_down_to_the_deepest_page_that_was_touched) {
    for (std::size_t depth : {std::size_t{1}, std::size_t{5000}, std::size_t{60'000}, std::size_t{3'000'000}}) {
        *(s.top() - depth) = std::byte{1};
        EXPECT_EQ(high_water_bytes(s), down_to_page_of(depth)) << depth;
    }
}

TEST_F(stack_high_water, is_not_fooled_by_untouched_pages_in_between) {
    *(s.base + 1) = std::byte{1};
    EXPECT_EQ(high_water_bytes(s), s.size);
}

TEST_F(stack_high_water, survives_reuse_until_the_stack_is_trimmed) {
    stack const beside = pool.acquire();  // keeps the slab mapped
    *(s.top() - 100'000) = std::byte{1};
    pool.release(s);
    s = pool.acquire();
    EXPECT_EQ(high_water_bytes(s), down_to_page_of(100'000));
    pool.release(s);
    pool.trim();
    s = pool.acquire();
    EXPECT_EQ(high_water_bytes(s), 0U);
    pool.release(beside);
}

}  // namespace
}  // namespace coir::detail
