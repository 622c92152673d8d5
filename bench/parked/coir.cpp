// SPDX-License-Identifier: BSL-1.0
#include "bench/parked/parked.hpp"
#include "bench/support/paired.hpp"

#include <coir/coir.hpp>

#include <vector>

namespace bench::parked {

figures coir_tasks(std::size_t count, std::size_t stack_size) {
    coir::runtime home({.workers = 1, .stack_size = stack_size});
    return home.block_on([count] {
        figures result;
        std::size_t const before = memory_in_use();
        coir::event gate;
        coir::event all_here;
        std::size_t arrived = 0;
        std::vector<coir::task<std::size_t>> tasks;
        stopwatch const making;
        tasks.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            tasks.push_back(coir::spawn([i, count, &arrived, &gate, &all_here] {
                if (++arrived == count) {
                    all_here.set();
                }
                gate.wait();
                return i;
            }));
        }
        all_here.wait();
        result.make_ns_each = making.nanoseconds() / static_cast<double>(count);
        result.bytes_each = static_cast<double>(memory_in_use() - before) / static_cast<double>(count);
        stopwatch const waking;
        gate.set();
        std::size_t sum = 0;
        for (auto& task : tasks) {
            sum += task.get();
        }
        result.wake_ms = waking.nanoseconds() / 1e6;
        expect_equal(sum, count * (count - 1) / 2, "the sum of the results");
        return result;
    });
}

}  // namespace bench::parked
