// SPDX-License-Identifier: BSL-1.0
#include "bench/spawn_join/spawn_join.hpp"

#include <coir/coir.hpp>

#include <memory>
#include <vector>

namespace bench::spawn_join {

competitor coir_tasks(unsigned workers) {
    auto const home = std::make_shared<coir::runtime>(coir::runtime_options{.workers = workers});
    return {"coir " + std::to_string(workers), [home](std::uint64_t count) {
                return home->block_on([count] {
                    stopwatch const watch;
                    std::uint64_t sum = 0;
                    std::vector<coir::task<std::uint64_t>> batch;
                    batch.reserve(k_batch);
                    for (std::uint64_t first = 0; first < count; first += k_batch) {
                        for (std::uint64_t i = first; i < first + k_batch; ++i) {
                            batch.push_back(coir::spawn([i] { return i; }));
                        }
                        for (auto& task : batch) {
                            sum += task.get();
                        }
                        batch.clear();
                    }
                    double const took = watch.nanoseconds();
                    expect_equal(sum, count * (count - 1) / 2, "the sum of the results");
                    return took / static_cast<double>(count);
                });
            }};
}

}  // namespace bench::spawn_join
