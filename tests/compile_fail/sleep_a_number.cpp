// SPDX-License-Identifier: BSL-1.0
// expect: coir: a duration has a unit
#include <coir/core/task/sleep.hpp>

void misuse() {
    coir::sleep(1);
}
