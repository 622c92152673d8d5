// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "bench/support/paired.hpp"

#include <chrono>
#include <cstddef>
#include <string>

namespace bench::process_pool {

/// A message of `size` bytes to another process by a bare socket pair, and 8 bytes back.
competitor bare_socket_pair(std::size_t size);
/// A copy of `size` bytes within this process, of which one byte a page is then read.
competitor copy_in_memory(std::size_t size);
/// A job with an argument of `size` bytes on a pool of one worker, awaited by a task.
competitor coir_from_a_task(std::size_t size);
/// The same a job at a time, after pauses in which the task sleeps. If it is not alone, another task sleeps for long, so that
/// this one has to let go of its worker while it waits: as in any program that has descriptors or timers.
competitor coir_from_a_task_after_pauses(std::size_t size, std::chrono::microseconds pause, bool alone);
/// The same as coir_from_a_task(), awaited by a plain thread.
competitor coir_from_a_thread(std::size_t size);
/// The same with Python's ProcessPoolExecutor. Its name is empty where there is no python3.
competitor python(std::size_t size);

}  // namespace bench::process_pool
