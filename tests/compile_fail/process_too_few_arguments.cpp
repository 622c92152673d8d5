// SPDX-License-Identifier: BSL-1.0
// expect: coir::process_pool_executor: as many arguments as the function has parameters
#include <coir/executors/process_pool.hpp>

void f(int, int);

void misuse(coir::process_pool_executor& pool) {
    pool.submit<&f>(1);
}
