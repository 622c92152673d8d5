// SPDX-License-Identifier: BSL-1.0
#include "bench/parked/parked.hpp"
#include "bench/support/paired.hpp"

#include "core/fiber/stack_pool.hpp"

#include <algorithm>
#include <vector>

namespace bench::parked {

figures touched_stacks(std::size_t count, std::size_t stack_size) {
    using coir::detail::stack;
    using coir::detail::stack_pool;
    figures result;
    std::size_t const before = memory_in_use();
    std::vector<stack> stacks(count);
    stopwatch const making;
    stack_pool& pool = stack_pool::for_size(stack_size);
    for (std::size_t have = 0; have < count;) {
        std::size_t const got =
            pool.acquire_batch(std::span(stacks).subspan(have, std::min<std::size_t>(32, count - have)));
        for (std::size_t i = have; i < have + got; ++i) {
            *static_cast<std::byte volatile*>(stacks[i].top() - 1) = std::byte{1};
        }
        have += got;
    }
    result.make_ns_each = making.nanoseconds() / static_cast<double>(count);
    result.bytes_each = static_cast<double>(memory_in_use() - before) / static_cast<double>(count);
    return result;
}

}  // namespace bench::parked
