// SPDX-License-Identifier: BSL-1.0
#include "bench/skynet/skynet.hpp"

namespace bench::skynet {
namespace {

[[gnu::noinline]] std::uint64_t tree(std::uint64_t number, std::uint64_t leaves) {  // NOLINT(misc-no-recursion)
    asm volatile("");                                                               // a call is a call
    if (leaves == 1) {
        return number;
    }
    std::uint64_t sum = 0;
    for (std::uint64_t branch = 0; branch < 10; ++branch) {
        sum += tree(number + branch * (leaves / 10), leaves / 10);
    }
    return sum;
}

}  // namespace

competitor plain_calls() {
    return {"plain", [](std::uint64_t units) { return measure(units, &tree); }};
}

}  // namespace bench::skynet
