// SPDX-License-Identifier: BSL-1.0
#include "bench/fib/fib.hpp"

#include "bench/support/onetbb.hpp"

#include <oneapi/tbb/task_group.h>

namespace bench::fib {
namespace {

std::uint64_t compute(unsigned n) {  // NOLINT(misc-no-recursion)
    if (n < 2) {
        return n;
    }
    std::uint64_t a = 0;
    oneapi::tbb::task_group group;
    group.run([n, &a] { a = compute(n - 1); });
    std::uint64_t const b = compute(n - 2);
    group.wait();
    return a + b;
}

}  // namespace

competitor onetbb_task_group(unsigned threads) {
    return in_onetbb_arena(threads, [](std::uint64_t units) { return measure(units, [] { return compute(k_n); }); });
}

}  // namespace bench::fib
