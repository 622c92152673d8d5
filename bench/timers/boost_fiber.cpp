// SPDX-License-Identifier: BSL-1.0
#include "bench/support/paired.hpp"
#include "bench/timers/timers.hpp"

#include <boost/fiber/all.hpp>

#include <algorithm>

namespace bench::timers {

// Without guards: with them it ends at half of vm.max_map_count.
figures boost_fibers(std::size_t count) {
    using clock = std::chrono::steady_clock;
    times const how_long = random_times(count);
    double const before = cpu_seconds_of_process();
    std::vector<boost::fibers::fiber> fibers;
    fibers.reserve(count);
    std::size_t ended = 0;
    auto last = clock::now();
    for (auto const d : how_long) {
        fibers.emplace_back(std::allocator_arg, boost::fibers::fixedsize_stack(std::size_t{64} * 1024),
                            [d, &ended, &last] {
                                auto const deadline = clock::now() + d;
                                last = std::max(last, deadline);
                                boost::this_fiber::sleep_until(deadline);
                                ++ended;
                            });
    }
    for (auto& fiber : fibers) {
        fiber.join();
    }
    std::chrono::duration<double> const late = clock::now() - last;
    expect_equal(ended, count, "sleepers");
    return {cpu_seconds_of_process() - before, late.count()};
}

}  // namespace bench::timers
