// SPDX-License-Identifier: BSL-1.0
// expect: coir::scope: f must be callable as f(task_group&)
#include <coir/core/task/task_group.hpp>

void misuse() {
    coir::scope([] {});
}
