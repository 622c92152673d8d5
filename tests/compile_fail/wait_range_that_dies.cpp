// SPDX-License-Identifier: BSL-1.0
// expect: pass one that lives on, not a temporary
#include <coir/core/task/wait.hpp>
#include <vector>

std::vector<coir::task<int>> make();

void misuse() {
    coir::wait(make());
}
