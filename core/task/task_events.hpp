// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a task tells the runtime that it belongs to. Defined by core/sched.

#include <coir/core/task/task_base.hpp>

#include <cstdint>
#include <exception>
#include <vector>

namespace coir::detail {

/// The tasks of that runtime that have not ended.
std::vector<state_ptr<task_base>> live_tasks_of(scheduler const& home);

/// `failed` ended with an exception that nobody looked at. Its runtime may be gone by now: then the default handler
/// reports it.
void report_unretrieved(task_base& failed, std::uint32_t home_number, std::exception_ptr const& error) noexcept;

}  // namespace coir::detail
