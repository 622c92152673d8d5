// SPDX-License-Identifier: BSL-1.0
#pragma once

// Two tasks that wake each other in turn: through a pair of semaphores, and through a pair of channels that hand numbers
// over. A unit is one round trip, which takes two switches at least.

#include "bench/support/paired.hpp"

namespace bench::ping_pong {

competitor coir_semaphores(unsigned workers);
competitor coir_channels(unsigned workers);
/// Semaphores made of a mutex and a condition variable, as Boost.Fiber has none.
competitor boost_fiber_semaphores();
competitor boost_fiber_channels();

}  // namespace bench::ping_pong
