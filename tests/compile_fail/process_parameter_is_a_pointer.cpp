// SPDX-License-Identifier: BSL-1.0
// expect: coir::process_pool_executor: the function takes a pointer
#include <coir/executors/process_pool.hpp>

int f(int const*);

void misuse(coir::process_pool_executor& pool, int const* p) {
    pool.submit<&f>(p);
}
