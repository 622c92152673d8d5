// SPDX-License-Identifier: BSL-1.0
#pragma once

// The Fibonacci numbers by naive recursion, each call of which is a fork. A unit is one call.

#include "bench/support/paired.hpp"

#include <cstdint>

namespace bench::fib {

inline constexpr unsigned k_n = 23;
inline constexpr std::uint64_t k_result = 28657;
inline constexpr std::uint64_t k_calls = 92735;  // of fib(23), itself included

competitor plain_calls();
competitor plain_on_two_threads();
competitor coir_fork_join(unsigned workers);
competitor onetbb_task_group(unsigned threads);

/// A competitor's slice: `compute()` gives fib(k_n).
template <class Compute>
double measure(std::uint64_t units, Compute const& compute) {
    stopwatch const watch;
    for (std::uint64_t done = 0; done < units; done += k_calls) {
        expect_equal(compute(), k_result, "fib");
    }
    return watch.nanoseconds() / static_cast<double>(units);
}

}  // namespace bench::fib
