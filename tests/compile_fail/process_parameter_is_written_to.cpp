// SPDX-License-Identifier: BSL-1.0
// expect: coir::process_pool_executor: the function takes a non-const lvalue reference
#include <coir/executors/process_pool.hpp>

void f(int&);

void misuse(coir::process_pool_executor& pool, int& out) {
    pool.submit<&f>(out);
}
