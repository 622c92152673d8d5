// SPDX-License-Identifier: BSL-1.0
#include "bench/matmul/matmul.hpp"

#include "bench/support/onetbb.hpp"

#include <oneapi/tbb/parallel_invoke.h>

#include <memory>

namespace bench::matmul {
namespace {

void forked(product const& whole) {
    multiply(whole, [](auto const& f, auto const& g) { oneapi::tbb::parallel_invoke(f, g); });
}

}  // namespace

competitor onetbb_parallel_invoke(unsigned threads) {
    auto const m = std::make_shared<matrices>();
    return in_onetbb_arena(threads, [m](std::uint64_t units) { return measure(*m, units, &forked); });
}

}  // namespace bench::matmul
