// SPDX-License-Identifier: BSL-1.0
// expect: coir: only a task, a future, a shared_future, or what is callable without arguments can be awaited
#include <coir/core/task/gather.hpp>
#include <vector>

void misuse(std::vector<int>& numbers) {
    coir::gather(numbers);
}
