// SPDX-License-Identifier: BSL-1.0
#pragma once

// The floor of everything that switches: Boost.Context's jump between two stacks, with nothing around it.

#include "bench/support/paired.hpp"

namespace bench {

/// A unit is one jump.
competitor raw_jump();

}  // namespace bench
