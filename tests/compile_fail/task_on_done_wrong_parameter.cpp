// SPDX-License-Identifier: BSL-1.0
// expect: no matching
#include <coir/core/task/task.hpp>

void misuse(coir::task<int>& t) {
    t.on_done([](int) {});
}
