// SPDX-License-Identifier: BSL-1.0
#include "bench/ping_pong/ping_pong.hpp"
#include "bench/support/raw_jump.hpp"

int main() {
    return bench::guarded_main([] {
        using namespace bench;
        // The floor is a single jump, of which a round trip needs two.
        compare({.title = "ping-pong: a round trip through two semaphores", .unit = "ns/trip", .granularity = 2},
                {raw_jump(), ping_pong::coir_semaphores(1), ping_pong::coir_semaphores(2),
                 ping_pong::boost_fiber_semaphores()},
                {{.subject = "coir 1", .reference = "raw jump_fcontext", .bound = 16},
                 {.subject = "coir 1", .reference = "Boost.Fiber", .bound = 0.25}});
        compare(
            {.title = "ping-pong: a round trip through two channels without a buffer",
             .unit = "ns/trip",
             .granularity = 2},
            {raw_jump(), ping_pong::coir_channels(1), ping_pong::coir_channels(2), ping_pong::boost_fiber_channels()},
            {{.subject = "coir 1", .reference = "raw jump_fcontext", .bound = 25},
             {.subject = "coir 1", .reference = "Boost.Fiber", .bound = 0.33},
             {.subject = "coir 2", .reference = "coir 1", .bound = 1.1}});
    });
}
