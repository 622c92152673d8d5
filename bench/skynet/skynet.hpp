// SPDX-License-Identifier: BSL-1.0
#pragma once

// A tree of a million leaves, ten branches at each node; each leaf gives its number, each node the sum of its
// branches. A unit is one tree.

#include "bench/support/paired.hpp"

#include <cstdint>

namespace bench::skynet {

inline constexpr std::uint64_t k_leaves = 1'000'000;
inline constexpr std::uint64_t k_result = k_leaves * (k_leaves - 1) / 2;

competitor plain_calls();
competitor coir_fork_join(unsigned workers);
competitor coir_tasks(unsigned workers);
competitor onetbb_task_group(unsigned threads);

template <class Compute>
double measure(std::uint64_t units, Compute const& compute) {
    stopwatch const watch;
    for (std::uint64_t done = 0; done < units; ++done) {
        expect_equal(compute(std::uint64_t{0}, k_leaves), k_result, "skynet");
    }
    return watch.nanoseconds() / static_cast<double>(units);
}

}  // namespace bench::skynet
