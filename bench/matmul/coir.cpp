// SPDX-License-Identifier: BSL-1.0
#include "bench/matmul/matmul.hpp"

#include <coir/coir.hpp>

#include <memory>

namespace bench::matmul {
namespace {

void forked(product const& whole) {
    multiply(whole, [](auto const& f, auto const& g) { coir::fork_join(f, g); });
}

}  // namespace

competitor coir_fork_join(unsigned workers) {
    auto const m = std::make_shared<matrices>();
    auto const home = std::make_shared<coir::runtime>(coir::runtime_options{.workers = workers});
    return {"coir " + std::to_string(workers), [m, home](std::uint64_t units) {
                return home->block_on([&m, units] { return measure(*m, units, &forked); });
            }};
}

}  // namespace bench::matmul
