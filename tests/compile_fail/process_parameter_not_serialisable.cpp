// SPDX-License-Identifier: BSL-1.0
// expect: coir::process_pool_executor: a parameter cannot be serialised
#include <coir/executors/process_pool.hpp>

struct opaque {
    int inside;
};
int f(opaque);

void misuse(coir::process_pool_executor& pool, opaque const& o) {
    pool.submit<&f>(o);
}
