// SPDX-License-Identifier: BSL-1.0
#include "bench/support/raw_jump.hpp"
#include "bench/yield/yield.hpp"

int main() {
    return bench::guarded_main([] {
        using namespace bench;
        pin_this_thread(0);
        compare({.title = "yield: two tasks in turn on one worker", .unit = "ns/yield", .granularity = 2},
                {raw_jump(), yield::coir_yield(), yield::boost_fiber()},
                {{.subject = "coir", .reference = "raw jump_fcontext", .bound = 5.0},
                 {.subject = "coir", .reference = "Boost.Fiber", .bound = 0.5}});
    });
}
