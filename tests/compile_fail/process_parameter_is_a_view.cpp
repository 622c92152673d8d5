// SPDX-License-Identifier: BSL-1.0
// expect: coir::process_pool_executor: the function takes a view of memory
#include <coir/executors/process_pool.hpp>
#include <span>
#include <vector>

void f(std::span<int const>);

void misuse(coir::process_pool_executor& pool) {
    pool.submit<&f>(std::vector<int>());
}
