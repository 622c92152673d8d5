// SPDX-License-Identifier: BSL-1.0
//
// asyncio's run_in_executor on a concurrent.futures.ThreadPoolExecutor, in an interpreter that stays.

#include "bench/offload/offload.hpp"
#include "bench/offload/peer.hpp"

#include <memory>
#include <string>
#include <vector>

namespace bench::offload {
namespace {

constexpr char k_program[] = R"py(
import asyncio, concurrent.futures, sys, time
threads, in_flight = int(sys.argv[1]), int(sys.argv[2])
pool = concurrent.futures.ThreadPoolExecutor(threads or None)
def job():
    return 1
async def caller(times):
    loop = asyncio.get_running_loop()
    total = 0
    for _ in range(times):
        total += await loop.run_in_executor(pool, job)
    return total
async def main():
    for line in sys.stdin:
        calls = int(line)
        start = time.perf_counter_ns()
        total = sum(await asyncio.gather(*(caller(calls // in_flight) for _ in range(in_flight))))
        took = time.perf_counter_ns() - start
        print(total, took, flush=True)
asyncio.run(main())
)py";

competitor python_with(unsigned threads, std::size_t in_flight) {
    auto const python = std::make_shared<peer>(
        std::vector<std::string>{"python3", "-c", k_program, std::to_string(threads), std::to_string(in_flight)});
    return {"Python ThreadPoolExecutor", [python](std::uint64_t calls) { return python->run(calls); }};
}

}  // namespace

competitor python_round_trip() {
    return python_with(k_threads, 1);
}

competitor python_throughput(unsigned threads) {
    return python_with(threads, k_in_flight);
}

}  // namespace bench::offload
