// SPDX-License-Identifier: BSL-1.0
// expect: coir::coroutine: f must be callable as f()
#include <coir/core/task/coroutine.hpp>

void misuse() {
    coir::coroutine other(5);
}
