// SPDX-License-Identifier: BSL-1.0
// expect: coir: only a task, a future, a shared_future, or what is callable without arguments can be awaited
#include <chrono>
#include <coir/core/task/timeout.hpp>

void misuse() {
    coir::wait_for(5, std::chrono::seconds(1));
}
