// SPDX-License-Identifier: BSL-1.0
#include "bench/spawn_join/spawn_join.hpp"

int main() {
    return bench::guarded_main([] {
        using namespace bench;
        compare({.title = "spawn and join: batches of 1,000 from one parent",
                 .unit = "ns/task",
                 .granularity = spawn_join::k_batch},
                {spawn_join::onetbb_task_group(1), spawn_join::onetbb_task_group(2), spawn_join::coir_tasks(1),
                 spawn_join::coir_tasks(2), spawn_join::boost_fiber_pooled()},
                {{.subject = "coir 1", .reference = "oneTBB 1", .bound = 1.0},
                 {.subject = "coir 2", .reference = "oneTBB 2", .bound = 1.0},
                 {.subject = "coir 1", .reference = "Boost.Fiber pooled", .bound = 0.25}});
    });
}
