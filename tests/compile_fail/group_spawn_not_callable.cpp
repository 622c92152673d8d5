// SPDX-License-Identifier: BSL-1.0
// expect: coir: what is to run must be callable with the arguments
#include <coir/core/task/task_group.hpp>

void misuse(coir::task_group& g) {
    g.spawn([](int) {});
}
