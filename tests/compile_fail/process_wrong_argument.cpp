// SPDX-License-Identifier: BSL-1.0
// expect: coir::process_pool_executor: an argument does not convert to the function's parameter
#include <coir/executors/process_pool.hpp>

void f(int);

void misuse(coir::process_pool_executor& pool) {
    pool.submit<&f>("text");
}
