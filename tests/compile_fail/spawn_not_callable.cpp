// SPDX-License-Identifier: BSL-1.0
// expect: coir: what is to run must be callable with the arguments
#include <coir/core/task/task.hpp>

void misuse() {
    coir::spawn(5);
}
