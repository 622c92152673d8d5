// SPDX-License-Identifier: BSL-1.0
// expect: coir: a duration has a unit
#include <coir/core/task/timeout.hpp>

void misuse(coir::task<int>& t) {
    coir::wait_for(t, 0.5);
}
