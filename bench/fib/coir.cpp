// SPDX-License-Identifier: BSL-1.0
#include "bench/fib/fib.hpp"

#include <coir/coir.hpp>

#include <memory>

namespace bench::fib {
namespace {

std::uint64_t compute(unsigned n) {  // NOLINT(misc-no-recursion)
    if (n < 2) {
        return n;
    }
    auto const [a, b] = coir::fork_join([n] { return compute(n - 1); }, [n] { return compute(n - 2); });
    return a + b;
}

}  // namespace

competitor coir_fork_join(unsigned workers) {
    auto const home = std::make_shared<coir::runtime>(coir::runtime_options{.workers = workers});
    return {"coir " + std::to_string(workers), [home](std::uint64_t units) {
                return home->block_on([units] { return measure(units, [] { return compute(k_n); }); });
            }};
}

}  // namespace bench::fib
