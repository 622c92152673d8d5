// SPDX-License-Identifier: BSL-1.0
#pragma once

// C += A * B for square matrices, by halving the longest of the three sides until a block fits the cache: the halves of a
// side of C are forks, those of the inner side follow each other. A unit is one whole product. The entries are small
// integers, so that the sums are exact whatever their order.

#include "bench/support/paired.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench::matmul {

inline constexpr std::size_t k_n = 512;
inline constexpr std::size_t k_block = 32;

/// A product of blocks: `rows` x `inner` times `inner` x `columns`.
struct product {
    float const* a;
    float const* b;
    float* c;
    std::size_t rows = k_n;
    std::size_t inner = k_n;
    std::size_t columns = k_n;

    bool is_small() const { return std::max({rows, inner, columns}) <= k_block; }
    bool splits_rows() const { return rows >= inner && rows >= columns; }
    bool splits_columns() const { return !splits_rows() && columns >= inner; }

    product upper() const { return {a, b, c, rows / 2, inner, columns}; }
    product lower() const { return {a + rows / 2 * k_n, b, c + rows / 2 * k_n, rows - rows / 2, inner, columns}; }
    product left() const { return {a, b, c, rows, inner, columns / 2}; }
    product right() const { return {a, b + columns / 2, c + columns / 2, rows, inner, columns - columns / 2}; }
    product front() const { return {a, b, c, rows, inner / 2, columns}; }
    product back() const { return {a + inner / 2, b + inner / 2 * k_n, c, rows, inner - inner / 2, columns}; }
};

/// The block itself; the same code for all competitors.
void multiply_block(product const& p);

/// `both(f, g)` calls the two, in the competitor's way.
template <class Both>
void multiply(product const& p, Both const& both) {  // NOLINT(misc-no-recursion)
    if (p.is_small()) {
        multiply_block(p);
    } else if (p.splits_rows()) {
        both([&] { multiply(p.upper(), both); }, [&] { multiply(p.lower(), both); });
    } else if (p.splits_columns()) {
        both([&] { multiply(p.left(), both); }, [&] { multiply(p.right(), both); });
    } else {
        multiply(p.front(), both);
        multiply(p.back(), both);
    }
}

/// The operands, and where the result goes. One for each competitor.
class matrices {
public:
    matrices();
    /// Clears C.
    product fresh();
    /// Throws wrong_result unless each entry of C is right.
    void check() const;

private:
    std::vector<float> a_;
    std::vector<float> b_;
    std::vector<float> c_;
    std::vector<float> right_;
};

competitor plain_calls();
competitor plain_on_two_threads();
competitor coir_fork_join(unsigned workers);
competitor onetbb_parallel_invoke(unsigned threads);

/// A competitor's slice: `multiply(product)` does it.
template <class Multiply>
double measure(matrices& m, std::uint64_t units, Multiply const& multiply) {
    double took = 0;
    for (std::uint64_t done = 0; done < units; ++done) {
        product const whole = m.fresh();
        stopwatch const watch;
        multiply(whole);
        took += watch.nanoseconds();
        m.check();
    }
    return took / static_cast<double>(units);
}

}  // namespace bench::matmul
