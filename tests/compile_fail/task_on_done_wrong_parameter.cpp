// SPDX-License-Identifier: BSL-1.0
// expect: coir::task::on_done: f must be callable as f(task_ref)
#include <coir/core/task/task.hpp>

void misuse(coir::task<int>& t) {
    t.on_done([](int) {});
}
