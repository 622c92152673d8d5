// SPDX-License-Identifier: BSL-1.0
#include "bench/nqueens/nqueens.hpp"

int main() {
    return bench::guarded_main([] {
        using namespace bench;
        compare({.title = "nqueens: every way to put 10 queens",
                 .unit = "ms/search",
                 .scale = 1e-6,
                 .decimals = 2,
                 .granularity = 2,
                 .slice = std::chrono::milliseconds(60)},
                {nqueens::plain_calls(), nqueens::plain_on_two_threads(), nqueens::coir_fork_join(1),
                 nqueens::coir_fork_join(2), nqueens::onetbb_task_group(1), nqueens::onetbb_task_group(2)},
                {{.subject = "coir 1", .reference = "oneTBB 1", .bound = 1.0},
                 {.subject = "coir 2", .reference = "oneTBB 2", .bound = 0.64},
                 {.subject = "coir 2", .reference = "coir 1", .bound = 0.56}});
    });
}
