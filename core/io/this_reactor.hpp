// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where a descriptor is registered. Declared here, defined by core/sched.

#include <cstdint>

namespace coir::detail {

class reactor;

/// The number of the runtime whose worker this thread is; 0 on a plain thread.
std::uint32_t this_runtime_number() noexcept;

/// The poller of the worker on this thread, which must be one.
reactor& this_reactor() noexcept;

/// Calls `action` if that runtime, and so its pollers, still exist, and keeps it from ending meanwhile.
void if_runtime_lives(std::uint32_t number, void (*action)(void*) noexcept, void* context) noexcept;

}  // namespace coir::detail
