// SPDX-License-Identifier: BSL-1.0
// expect: coir: the argument must be a range of tasks or futures
#include <coir/core/task/wait.hpp>

void misuse(coir::task<int>& t) {
    coir::wait(t);
}
