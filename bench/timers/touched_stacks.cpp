// SPDX-License-Identifier: BSL-1.0
#include "bench/timers/timers.hpp"

#include "core/fiber/stack_pool.hpp"

#include <algorithm>
#include <span>

namespace bench::timers {

figures touched_stacks(std::size_t count) {
    using coir::detail::stack;
    using coir::detail::stack_pool;
    double const before = cpu_seconds_of_process();
    std::vector<stack> stacks(count);
    stack_pool& pool = stack_pool::for_size(std::size_t{64} * 1024);
    for (std::size_t have = 0; have < count;) {
        std::size_t const got =
            pool.acquire_batch(std::span(stacks).subspan(have, std::min<std::size_t>(32, count - have)));
        for (std::size_t i = have; i < have + got; ++i) {
            *static_cast<std::byte volatile*>(stacks[i].top() - 1) = std::byte{1};
        }
        have += got;
    }
    return {cpu_seconds_of_process() - before, 0};
}

}  // namespace bench::timers
