// SPDX-License-Identifier: BSL-1.0
// expect: coir::parallel_reduce: combine(sum, map(i)) and combine(sum, sum) must be possible
#include <coir/core/task/fork_join.hpp>
#include <string>

void misuse() {
    coir::parallel_reduce(
        0, 10, 1, std::string(), [](int i) { return i; },
        [](std::string sum, int i) { return sum + std::to_string(i); });
}
