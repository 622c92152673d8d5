// SPDX-License-Identifier: BSL-1.0
//
// asyncio's run_in_executor on a concurrent.futures.ThreadPoolExecutor, in an interpreter that stays: it reads how many calls
// to make and answers how many nanoseconds they took.

#include "bench/offload/offload.hpp"

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench::offload {
namespace {

constexpr char k_program[] = R"py(
import asyncio, concurrent.futures, sys, time
threads, in_flight = int(sys.argv[1]), int(sys.argv[2])
pool = concurrent.futures.ThreadPoolExecutor(threads)
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

class interpreter {
public:
    explicit interpreter(std::size_t in_flight) {
        int to[2];
        int from[2];
        if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) {
            throw std::runtime_error("no pipe");
        }
        auto const threads = std::to_string(k_threads);
        auto const flight = std::to_string(in_flight);
        child_ = ::fork();
        if (child_ == 0) {
            ::dup2(to[0], 0);
            ::dup2(from[1], 1);
            ::close(to[1]);
            ::close(from[0]);
            ::execlp("python3", "python3", "-c", k_program, threads.c_str(), flight.c_str(), nullptr);
            ::_exit(127);
        }
        ::close(to[0]);
        ::close(from[1]);
        to_ = ::fdopen(to[1], "w");
        from_ = ::fdopen(from[0], "r");
    }
    interpreter(interpreter const&) = delete;
    interpreter& operator=(interpreter const&) = delete;
    ~interpreter() {
        std::fclose(to_);
        std::fclose(from_);
        ::waitpid(child_, nullptr, 0);
    }
    double run(std::uint64_t calls) {
        unsigned long long total = 0;
        unsigned long long took = 0;
        if (std::fprintf(to_, "%llu\n", static_cast<unsigned long long>(calls)) < 0 || std::fflush(to_) != 0 ||
            std::fscanf(from_, "%llu %llu", &total, &took) != 2) {
            throw std::runtime_error("python3 does not answer");
        }
        expect_equal(total, calls, "calls");
        return static_cast<double>(took) / static_cast<double>(calls);
    }

private:
    pid_t child_ = -1;
    std::FILE* to_ = nullptr;
    std::FILE* from_ = nullptr;
};

competitor python_with(std::size_t in_flight) {
    auto const python = std::make_shared<interpreter>(in_flight);
    return {"Python ThreadPoolExecutor", [python](std::uint64_t calls) { return python->run(calls); }};
}

}  // namespace

competitor python_round_trip() {
    return python_with(1);
}

competitor python_throughput() {
    return python_with(k_in_flight);
}

}  // namespace bench::offload
