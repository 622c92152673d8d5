// SPDX-License-Identifier: BSL-1.0
#pragma once

// One parent starts tasks in batches of 1,000 and waits for each batch. A unit is one task, started and joined.

#include "bench/support/paired.hpp"

namespace bench::spawn_join {

inline constexpr std::uint64_t k_batch = 1000;

competitor coir_tasks(unsigned workers);
competitor onetbb_task_group(unsigned threads);
competitor boost_fiber_pooled();

}  // namespace bench::spawn_join
