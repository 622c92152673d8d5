// SPDX-License-Identifier: BSL-1.0
// expect: coir::parallel_for: f must be callable as f(i)
#include <coir/core/task/fork_join.hpp>

void misuse() {
    coir::parallel_for(0, 10, 1, [] {});
}
