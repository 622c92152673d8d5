// SPDX-License-Identifier: BSL-1.0
// expect: coir::process_pool_executor: the argument of map must be a range
#include <coir/executors/process_pool.hpp>

void f(int);

void misuse(coir::process_pool_executor& pool) {
    pool.map<&f>(5);
}
