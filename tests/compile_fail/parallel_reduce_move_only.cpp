// SPDX-License-Identifier: BSL-1.0
// expect: coir::parallel_reduce: identity's type must be copyable
#include <coir/core/task/fork_join.hpp>
#include <memory>

void misuse() {
    coir::parallel_reduce(
        0, 10, 1, std::unique_ptr<int>(), [](int) { return std::unique_ptr<int>(); },
        [](std::unique_ptr<int> a, std::unique_ptr<int>) { return a; });
}
