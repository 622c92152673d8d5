// SPDX-License-Identifier: BSL-1.0
#pragma once

// What several tests of stacks need.

#include "core/fiber/stack_pool.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace coir::test {

inline constexpr std::size_t k_kib = 1024;

inline std::vector<detail::stack> acquire_many(detail::stack_pool& pool, std::size_t count) {
    std::vector<detail::stack> stacks(count);
    for (std::size_t have = 0; have < count;) {
        have += pool.acquire_batch(std::span(stacks).subspan(have));
    }
    return stacks;
}

}  // namespace coir::test
