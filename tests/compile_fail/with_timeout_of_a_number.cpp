// SPDX-License-Identifier: BSL-1.0
// expect: coir: a duration has a unit
#include <coir/core/task/timeout.hpp>

void misuse() {
    coir::with_timeout(1, [] {});
}
