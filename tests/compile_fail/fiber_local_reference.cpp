// SPDX-License-Identifier: BSL-1.0
// expect: coir::fiber_local: T must be an object type
#include <coir/core/task/context.hpp>

void misuse() {
    coir::fiber_local<int&> counter;
}
