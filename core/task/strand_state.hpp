// SPDX-License-Identifier: BSL-1.0
#pragma once

// Not for users: a strand is a queue of tasks that take turns.

#include <coir/core/task/task_base.hpp>

#include "core/queue/turn_queue.hpp"

namespace coir::detail {

class strand_state : public turn_queue<task_base> {};

}  // namespace coir::detail
