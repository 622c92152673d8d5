// SPDX-License-Identifier: BSL-1.0
// expect: coir::process_pool_executor: the function stands as a template argument: submit<&f>(args...)
#include <coir/executors/process_pool.hpp>

int twice(int x);

int misuse(coir::process_pool_executor& pool) {
    return pool.submit(twice, 1).get();
}
