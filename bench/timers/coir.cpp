// SPDX-License-Identifier: BSL-1.0
#include "bench/support/paired.hpp"
#include "bench/timers/timers.hpp"

#include <coir/coir.hpp>

#include <algorithm>

namespace bench::timers {
namespace {

figures sleep_all(times const& how_long) {
    double const before = cpu_seconds_of_process();
    std::vector<coir::task<void>> tasks;
    tasks.reserve(how_long.size());
    std::size_t ended = 0;
    auto last = coir::clock::now();
    for (auto const d : how_long) {
        tasks.push_back(coir::spawn([d, &ended, &last] {
            auto const deadline = coir::clock::now() + d;
            last = std::max(last, deadline);
            coir::sleep_until(deadline);
            ++ended;
        }));
    }
    for (auto& t : tasks) {
        t.get();
    }
    std::chrono::duration<double> const late = coir::clock::now() - last;
    expect_equal(ended, how_long.size(), "sleepers");
    return {cpu_seconds_of_process() - before, late.count()};
}

}  // namespace

figures coir_tasks(std::size_t count, bool warm) {
    times const how_long = random_times(count);
    coir::runtime home({.workers = 1, .stack_size = std::size_t{64} * 1024});
    if (warm) {
        home.block_on([&] { sleep_all(how_long); });
    }
    return home.block_on([&] { return sleep_all(how_long); });
}

}  // namespace bench::timers
