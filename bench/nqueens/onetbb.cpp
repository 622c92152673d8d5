// SPDX-License-Identifier: BSL-1.0
#include "bench/nqueens/nqueens.hpp"

#include "bench/support/onetbb.hpp"

#include <oneapi/tbb/task_group.h>

namespace bench::nqueens {
namespace {

std::uint64_t search(board const& queens, unsigned row) {  // NOLINT(misc-no-recursion)
    if (row == k_n) {
        return 1;
    }
    choices const free(queens, row);
    std::array<std::uint64_t, k_n> ways{};
    oneapi::tbb::task_group group;
    for (unsigned i = 0; i < free.count; ++i) {
        group.run([&, i] { ways[i] = search(board(queens, row, free.columns[i]), row + 1); });
    }
    group.wait();
    std::uint64_t sum = 0;
    for (std::uint64_t const each : ways) {
        sum += each;
    }
    return sum;
}

}  // namespace

competitor onetbb_task_group(unsigned threads) {
    return in_onetbb_arena(threads, [](std::uint64_t units) { return measure(units, &search); });
}

}  // namespace bench::nqueens
