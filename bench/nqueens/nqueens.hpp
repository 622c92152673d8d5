// SPDX-License-Identifier: BSL-1.0
#pragma once

// The ways to put n queens on a board, all of them, by backtracking: a tree whose nodes have as many children as the row has
// squares that are not attacked, each of which is a fork, with a board of its own. A unit is one whole search.

#include "bench/support/paired.hpp"

#include <array>
#include <cstdint>

namespace bench::nqueens {

inline constexpr unsigned k_n = 10;
inline constexpr std::uint64_t k_result = 724;

// Both are small enough to be returned in two registers, for which the bytes that were just written would be read again, too
// early for processors to pass them on. Hence constructors, and no functions.

/// Of the queen in each of the first rows, the column.
struct board {
    board() = default;
    /// With one more queen, in row `row`.
    board(board const& queens, unsigned row, signed char column) : columns(queens.columns) { columns[row] = column; }

    std::array<signed char, k_n> columns{};
};

/// The columns of row `row` that no queen of the rows before attacks.
struct choices {
    choices(board const& queens, unsigned row) {
        for (int column = 0; column < static_cast<int>(k_n); ++column) {
            bool attacked = false;
            for (unsigned r = 0; r < row && !attacked; ++r) {
                int const distance = static_cast<int>(row - r);
                int const other = queens.columns[r];
                attacked = other == column || other == column - distance || other == column + distance;
            }
            if (!attacked) {
                columns[count++] = static_cast<signed char>(column);
            }
        }
    }

    std::array<signed char, k_n> columns;
    unsigned count = 0;
};

competitor plain_calls();
competitor plain_on_two_threads();
competitor coir_fork_join(unsigned workers);
competitor onetbb_task_group(unsigned threads);

/// A competitor's slice: `search(board, row)` gives the number of ways.
template <class Search>
double measure(std::uint64_t units, Search const& search) {
    stopwatch const watch;
    for (std::uint64_t done = 0; done < units; ++done) {
        expect_equal(search(board{}, 0), k_result, "nqueens");
    }
    return watch.nanoseconds() / static_cast<double>(units);
}

}  // namespace bench::nqueens
