// SPDX-License-Identifier: BSL-1.0
// expect: coir: a duration has a unit
#include <coir/core/task/call_later.hpp>

void misuse() {
    coir::call_later(2, [] {});
}
