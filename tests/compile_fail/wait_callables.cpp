// SPDX-License-Identifier: BSL-1.0
// expect: coir: the argument must be a range of tasks or futures
#include <coir/core/task/wait.hpp>

#include <vector>

void misuse(std::vector<int (*)()>& functions) {
    coir::wait(functions);
}
