// SPDX-License-Identifier: BSL-1.0
// expect: executor::map: the second argument must be a range
#include <coir/executors/executor.hpp>

void misuse(coir::executor& where) {
    where.map([](int) {}, 5);
}
