// SPDX-License-Identifier: BSL-1.0
// expect: coir::process_pool_executor: the result cannot be serialised
#include <coir/executors/process_pool.hpp>
#include <vector>

std::vector<int> f();  // without cereal's header for it

void misuse(coir::process_pool_executor& pool) {
    coir::run_in_executor<&f>(pool);
}
