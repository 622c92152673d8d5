// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a worker process gives up at its start.

#include "executors/process/spawn_impl.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace coir::detail {

/// Only standard input, output and error and the channel stay open; the process dies with its parent; it can gain no
/// privileges and leaves no core file. False if the parent is gone already, or the channel is none.
bool confine_worker(worker_marker const& marker) noexcept;

/// The kernel is to kill this process when its parent dies. It forgets that when the process changes its user or group. False if
/// the parent is gone already.
bool die_with_parent(worker_marker const& marker) noexcept;

/// At most so many bytes of data from now on. Throws std::system_error.
void limit_memory(std::uint64_t bytes);

/// So much more processor time from now on; thirty years and more are no limit. Throws std::system_error.
void limit_processor_time(std::uint64_t seconds);

}  // namespace coir::detail
