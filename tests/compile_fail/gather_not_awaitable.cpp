// SPDX-License-Identifier: BSL-1.0
// expect: coir: only a task, a future, a shared_future, or what is callable without arguments can be awaited
#include <coir/core/task/gather.hpp>

void misuse(coir::task<int>& t) {
    coir::gather(t, 5);
}
