// SPDX-License-Identifier: BSL-1.0
#include "bench/offload/offload.hpp"

int main() {
    return bench::guarded_main([] {
        using namespace bench;
        compare({.title = "offload: one call after another to a thread and back", .unit = "ns/call"},
                {offload::futex_round_trip(), offload::coir_round_trip(), offload::asio_round_trip(),
                 offload::python_round_trip()},
                {{.subject = "coir", .reference = "Asio thread_pool", .bound = 1.0},
                 {.subject = "coir", .reference = "Python ThreadPoolExecutor", .bound = 0.5}});
        compare({.title = "offload: 64 calls under way on 4 threads",
                 .unit = "ns/call",
                 .granularity = offload::k_in_flight},
                {offload::futex_throughput(), offload::coir_throughput(), offload::asio_throughput(),
                 offload::python_throughput()},
                {{.subject = "coir", .reference = "Asio thread_pool", .bound = 1.0},
                 {.subject = "coir", .reference = "Python ThreadPoolExecutor", .bound = 0.5}});
    });
}
