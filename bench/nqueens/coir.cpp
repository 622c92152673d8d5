// SPDX-License-Identifier: BSL-1.0
#include "bench/nqueens/nqueens.hpp"

#include <coir/coir.hpp>

#include <functional>
#include <memory>

namespace bench::nqueens {
namespace {

std::uint64_t search(board const& queens, unsigned row) {  // NOLINT(misc-no-recursion)
    if (row == k_n) {
        return 1;
    }
    choices const free(queens, row);
    return coir::parallel_reduce(
        0u, free.count, 1, std::uint64_t{0},
        [&](unsigned i) { return search(board(queens, row, free.columns[i]), row + 1); }, std::plus<>());
}

}  // namespace

competitor coir_fork_join(unsigned workers) {
    auto const home = std::make_shared<coir::runtime>(coir::runtime_options{.workers = workers});
    return {"coir " + std::to_string(workers),
            [home](std::uint64_t units) { return home->block_on([units] { return measure(units, &search); }); }};
}

}  // namespace bench::nqueens
