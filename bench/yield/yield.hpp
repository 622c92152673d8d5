// SPDX-License-Identifier: BSL-1.0
#pragma once

// Two tasks on one thread that yield in turn. A unit is one yield: one switch from one task to the other.

#include "bench/support/paired.hpp"

namespace bench::yield {

competitor coir_yield();
competitor boost_fiber();

}  // namespace bench::yield
