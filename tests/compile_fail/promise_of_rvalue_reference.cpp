// SPDX-License-Identifier: BSL-1.0
// expect: coir: a result is a value or an lvalue reference
#include <coir/core/task/future.hpp>

void misuse() {
    coir::promise<int&&> promise;
}
