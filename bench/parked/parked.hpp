// SPDX-License-Identifier: BSL-1.0
#pragma once

// Many tasks that wait, each on a stack of its own that is guarded: what they take of memory, what making them costs,
// and waking them all. Each figure is taken in a process of its own, so that nobody uses what another has touched.

#include <cstddef>
#include <functional>
#include <string>

namespace bench::parked {

struct figures {
    double bytes_each = 0;    ///< resident memory and page tables
    double make_ns_each = 0;  ///< from nothing until all of them wait
    double wake_ms = 0;       ///< from the call that wakes them until the last has ended
};

/// Resident memory and page tables of this process, in bytes.
std::size_t memory_in_use();

/// The floor: guarded stacks of which one page is touched, and nothing else.
figures touched_stacks(std::size_t count, std::size_t stack_size);
figures coir_tasks(std::size_t count, std::size_t stack_size);
/// Without guards: with them it ends at half of vm.max_map_count.
figures boost_fibers(std::size_t count, std::size_t stack_size);

}  // namespace bench::parked
