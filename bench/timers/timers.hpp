// SPDX-License-Identifier: BSL-1.0
#pragma once

// Many tasks that sleep, each for a random time of up to a second: the time on the processor, and how long after the last
// deadline the last of them has gone on. Each contestant has a process of its own.

#include <chrono>
#include <cstddef>
#include <vector>

namespace bench::timers {

struct figures {
    double cpu_seconds = 0;   ///< of the whole process, from nothing until the last has ended
    double late_seconds = 0;  ///< from the last deadline until the last has ended
};

using times = std::vector<std::chrono::microseconds>;

/// The same ones for everybody.
times random_times(std::size_t count);

/// The floor: the stacks, touched, and nothing else.
figures touched_stacks(std::size_t count);
/// All at once; `warm`: once more in the same process, and the second time counts.
figures coir_tasks(std::size_t count, bool warm);
figures boost_fibers(std::size_t count);

double cpu_seconds_of_process();

}  // namespace bench::timers
