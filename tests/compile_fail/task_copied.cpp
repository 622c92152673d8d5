// SPDX-License-Identifier: BSL-1.0
// expect: deleted
#include <coir/core/task/task.hpp>

void misuse(coir::task<int>& t) {
    coir::task<int> copy = t;
}
