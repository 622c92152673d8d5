// SPDX-License-Identifier: BSL-1.0
#include "bench/offload/offload.hpp"

#include <coir/coir.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace bench::offload {
namespace {

struct place {
    explicit place(unsigned threads) : pool{{.max_workers = threads}} {}

    coir::runtime home{coir::runtime_options{.workers = 1}};
    coir::thread_pool_executor pool;

    std::uint64_t call() {
        return pool.submit([] { return std::uint64_t{1}; }).get();
    }
};

}  // namespace

competitor coir_round_trip() {
    auto const here = std::make_shared<place>(k_threads);
    return {"coir", [here](std::uint64_t calls) {
                return here->home.block_on([&] {
                    stopwatch const watch;
                    std::uint64_t sum = 0;
                    for (std::uint64_t i = 0; i < calls; ++i) {
                        sum += here->call();
                    }
                    double const took = watch.nanoseconds();
                    expect_equal(sum, calls, "calls");
                    return took / static_cast<double>(calls);
                });
            }};
}

// It is the task that pauses: the thread that started it has nothing to do with what is measured.
competitor coir_after_pauses(std::chrono::microseconds pause) {
    auto const here = std::make_shared<place>(k_threads);
    return {"coir", [here, pause](std::uint64_t calls) {
                return here->home.block_on([&] {
                    std::uint64_t sum = 0;
                    double const result = median_after_pauses(
                        calls, [&] { coir::sleep(pause); },
                        [&] {
                            stopwatch const watch;
                            sum += here->call();
                            return watch.nanoseconds();
                        });
                    expect_equal(sum, calls, "calls");
                    return result;
                });
            }};
}

competitor coir_throughput(unsigned threads) {
    auto const here = std::make_shared<place>(threads);
    return {"coir", [here](std::uint64_t calls) {
                return here->home.block_on([&] {
                    std::uint64_t const each = calls / k_in_flight;
                    stopwatch const watch;
                    std::vector<coir::task<std::uint64_t>> callers;
                    for (std::size_t i = 0; i < k_in_flight; ++i) {
                        callers.push_back(coir::spawn([&here, each] {
                            std::uint64_t sum = 0;
                            for (std::uint64_t n = 0; n < each; ++n) {
                                sum += here->call();
                            }
                            return sum;
                        }));
                    }
                    std::uint64_t sum = 0;
                    for (auto& c : callers) {
                        sum += c.get();
                    }
                    double const took = watch.nanoseconds();
                    expect_equal(sum, calls, "calls");
                    return took / static_cast<double>(calls);
                });
            }};
}

}  // namespace bench::offload
