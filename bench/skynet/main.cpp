// SPDX-License-Identifier: BSL-1.0
#include "bench/skynet/skynet.hpp"

int main() {
    return bench::guarded_main([] {
        using namespace bench;
        compare({.title = "skynet: a tree of a million leaves", .unit = "ms/tree", .scale = 1e-6},
                {skynet::plain_calls(), skynet::coir_fork_join(1), skynet::coir_fork_join(2), skynet::coir_tasks(1),
                 skynet::coir_tasks(2), skynet::onetbb_task_group(1), skynet::onetbb_task_group(2)},
                {{.subject = "coir fork_join 1", .reference = "oneTBB 1", .bound = 0.2},
                 {.subject = "coir fork_join 2", .reference = "oneTBB 2", .bound = 0.2},
                 {.subject = "coir spawn and get 1", .reference = "oneTBB 1", .bound = 0.8},
                 {.subject = "coir spawn and get 2", .reference = "oneTBB 2", .bound = 0.8}});
    });
}
