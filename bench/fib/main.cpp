// SPDX-License-Identifier: BSL-1.0
#include "bench/fib/fib.hpp"

int main() {
    return bench::guarded_main([] {
        using namespace bench;
        compare({.title = "fib(23): a fork at every call", .unit = "ns/call", .granularity = 2 * fib::k_calls},
                {fib::plain_calls(), fib::plain_on_two_threads(), fib::coir_fork_join(1), fib::coir_fork_join(2),
                 fib::onetbb_task_group(1), fib::onetbb_task_group(2)},
                {{.subject = "coir 1", .reference = "plain", .bound = 6.0},
                 {.subject = "coir 2", .reference = "coir 1", .bound = 0.56},
                 {.subject = "coir 2", .reference = "oneTBB 2", .bound = 0.11}});
    });
}
