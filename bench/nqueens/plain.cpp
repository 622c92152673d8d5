// SPDX-License-Identifier: BSL-1.0
#include "bench/nqueens/nqueens.hpp"

#include <thread>

namespace bench::nqueens {
namespace {

std::uint64_t search(board const& queens, unsigned row) {  // NOLINT(misc-no-recursion)
    if (row == k_n) {
        return 1;
    }
    std::uint64_t ways = 0;
    choices const free(queens, row);
    for (unsigned i = 0; i < free.count; ++i) {
        ways += search(board(queens, row, free.columns[i]), row + 1);
    }
    return ways;
}

}  // namespace

competitor plain_calls() {
    return {"plain", [](std::uint64_t units) { return measure(units, &search); }};
}

// What two cores give without any sharing of work.
competitor plain_on_two_threads() {
    return {"plain, two threads", [](std::uint64_t units) {
                stopwatch const watch;
                auto half = [units] { measure(units / 2, &search); };
                std::thread other(half);
                half();
                other.join();
                return watch.nanoseconds() / static_cast<double>(units / 2 * 2);
            }};
}

}  // namespace bench::nqueens
