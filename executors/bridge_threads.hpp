// SPDX-License-Identifier: BSL-1.0
#pragma once

// Not for users: the threads on which things of other libraries are waited for and resumed.

#include <coir/executors/executor.hpp>

namespace coir::detail {

/// The process's own pool for that: made on first use, with a thread for each job that finds no idle one. Idle threads end after
/// some seconds. While the system gives no more threads, jobs wait for those that exist. It is never destroyed: what it waits
/// for may never come, and must not keep the process from ending.
executor& bridge_threads();

}  // namespace coir::detail
