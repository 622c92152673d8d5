// SPDX-License-Identifier: BSL-1.0
#include "bench/skynet/skynet.hpp"

#include "bench/support/onetbb.hpp"

#include <oneapi/tbb/task_group.h>

#include <array>

namespace bench::skynet {
namespace {

std::uint64_t tree(std::uint64_t number, std::uint64_t leaves) {  // NOLINT(misc-no-recursion)
    if (leaves == 1) {
        return number;
    }
    std::array<std::uint64_t, 10> sums{};
    oneapi::tbb::task_group group;
    for (std::uint64_t which = 0; which < 10; ++which) {
        group.run([=, &sums] { sums[which] = tree(number + which * (leaves / 10), leaves / 10); });
    }
    group.wait();
    std::uint64_t sum = 0;
    for (std::uint64_t const each : sums) {
        sum += each;
    }
    return sum;
}

}  // namespace

competitor onetbb_task_group(unsigned threads) {
    return in_onetbb_arena(threads, [](std::uint64_t units) { return measure(units, &tree); });
}

}  // namespace bench::skynet
