// SPDX-License-Identifier: BSL-1.0
// expect: coir::shield: takes a task or a future
#include <coir/core/task/shield.hpp>

void misuse() {
    coir::shield([] {});
}
