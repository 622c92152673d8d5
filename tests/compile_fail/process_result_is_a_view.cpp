// SPDX-License-Identifier: BSL-1.0
// expect: coir::process_pool_executor: the function returns a reference, pointer or view
#include <coir/executors/process_pool.hpp>
#include <string_view>

std::string_view f();

void misuse(coir::process_pool_executor& pool) {
    pool.submit<&f>();
}
