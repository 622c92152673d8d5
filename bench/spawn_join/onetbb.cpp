// SPDX-License-Identifier: BSL-1.0
#include "bench/spawn_join/spawn_join.hpp"

#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <memory>
#include <vector>

namespace bench::spawn_join {

competitor onetbb_task_group(unsigned threads) {
    auto const arena = std::make_shared<oneapi::tbb::task_arena>(static_cast<int>(threads));
    return {"oneTBB " + std::to_string(threads), [arena](std::uint64_t count) {
                return arena->execute([count] {
                    std::vector<std::uint64_t> results(k_batch);
                    stopwatch const watch;
                    std::uint64_t sum = 0;
                    oneapi::tbb::task_group group;
                    for (std::uint64_t first = 0; first < count; first += k_batch) {
                        for (std::uint64_t i = 0; i < k_batch; ++i) {
                            group.run([first, i, &results] { results[i] = first + i; });
                        }
                        group.wait();
                        for (std::uint64_t const result : results) {
                            sum += result;
                        }
                    }
                    double const took = watch.nanoseconds();
                    expect_equal(sum, count * (count - 1) / 2, "the sum of the results");
                    return took / static_cast<double>(count);
                });
            }};
}

}  // namespace bench::spawn_join
