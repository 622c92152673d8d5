// SPDX-License-Identifier: BSL-1.0
// expect: coir::process_pool_executor: the function returns a reference, pointer or view
#include <coir/executors/process_pool.hpp>

int const& f();

void misuse(coir::process_pool_executor& pool) {
    pool.submit<&f>();
}
