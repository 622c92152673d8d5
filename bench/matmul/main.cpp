// SPDX-License-Identifier: BSL-1.0
#include "bench/matmul/matmul.hpp"

int main() {
    return bench::guarded_main([] {
        using namespace bench;
        compare({.title = "matmul: 512 x 512, down to blocks of 32 x 32",
                 .unit = "ms/product",
                 .scale = 1e-6,
                 .decimals = 2,
                 .slice = std::chrono::milliseconds(80)},
                {matmul::plain_calls(), matmul::plain_on_two_threads(), matmul::coir_fork_join(1),
                 matmul::coir_fork_join(2), matmul::onetbb_parallel_invoke(1), matmul::onetbb_parallel_invoke(2)},
                {{.subject = "coir 1", .reference = "oneTBB 1", .bound = 1.0},
                 {.subject = "coir 2", .reference = "oneTBB 2", .bound = 0.96},
                 {.subject = "coir 2", .reference = "coir 1", .bound = 0.56}});
    });
}
