// SPDX-License-Identifier: BSL-1.0
#include "bench/spawn_join/spawn_join.hpp"

#include <boost/fiber/all.hpp>

#include <thread>
#include <vector>

namespace bench::spawn_join {

// Pooled stacks: with fresh ones a task costs more than ten times as much.
competitor boost_fiber_pooled() {
    return {"Boost.Fiber pooled", [](std::uint64_t count) {
                double took = 0;
                std::uint64_t sum = 0;
                std::thread([&] {
                    boost::fibers::pooled_fixedsize_stack stacks(std::size_t{64} * 1024);
                    std::vector<std::uint64_t> results(k_batch);
                    std::vector<boost::fibers::fiber> batch;
                    batch.reserve(k_batch);
                    auto const one_batch = [&](std::uint64_t first) {
                        for (std::uint64_t i = 0; i < k_batch; ++i) {
                            batch.emplace_back(std::allocator_arg, stacks,
                                               [first, i, &results] { results[i] = first + i; });
                        }
                        for (auto& fiber : batch) {
                            fiber.join();
                        }
                        batch.clear();
                        std::uint64_t total = 0;
                        for (std::uint64_t const result : results) {
                            total += result;
                        }
                        return total;
                    };
                    one_batch(0);  // fills the pool
                    stopwatch const watch;
                    for (std::uint64_t first = 0; first < count; first += k_batch) {
                        sum += one_batch(first);
                    }
                    took = watch.nanoseconds();
                }).join();
                expect_equal(sum, count * (count - 1) / 2, "the sum of the results");
                return took / static_cast<double>(count);
            }};
}

}  // namespace bench::spawn_join
