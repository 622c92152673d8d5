// SPDX-License-Identifier: BSL-1.0
// expect: coir::promise: T cannot be made from these arguments
#include <coir/core/task/future.hpp>

void misuse(coir::promise<void>& p) {
    p.set_value(5);
}
