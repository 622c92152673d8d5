// SPDX-License-Identifier: BSL-1.0
// expect: coir::parallel_reduce: combine(sum, map(i)) and combine(sum, sum) must be possible
#include <coir/core/task/fork_join.hpp>
#include <functional>

void misuse() {
    coir::parallel_reduce(
        0, 10, 1, 0, [](int) {}, std::plus<>());
}
