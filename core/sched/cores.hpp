// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <vector>

namespace coir::detail {

/// The cores on which this process may run, by number (its affinity mask).
std::vector<unsigned> allowed_cores();

/// How many of them it may keep busy: the mask, further limited by the cgroup's quota. At least 1.
unsigned usable_core_count();

}  // namespace coir::detail
