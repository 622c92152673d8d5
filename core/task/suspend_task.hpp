// SPDX-License-Identifier: BSL-1.0
#pragma once

// The verbs of the scheduler that waiting is built on. Declared here, defined by core/sched, so that a task
// never includes the scheduler.

#include <coir/core/task/suspend.hpp>
#include <coir/core/task/timer_node.hpp>

#include <atomic>
#include <cstdint>

namespace coir::detail {

/// Leaves the stack of `self`, the current task, whose word is prepared; returns when its wait was claimed and woken.
/// Passing the deadline claims it with wake_reason::timed_out; reserve_timer_here() has made room for its timer.
wake_reason suspend_task(task_base& self, clock::time_point deadline) noexcept;

/// How many runtimes of this process replay a seed. In those, operations that need not wait let others have a turn now and
/// then, by sometimes_yield().
inline std::atomic<unsigned> seeded_runtimes{0};
void sometimes_yield() noexcept;

/// Puts a suspended task, whose wait has been claimed and woken, back into a queue.
void make_task_ready(task_base& task) noexcept;

/// Throws a pending cancellation, or puts the current task behind all others that are ready. False, and nothing
/// happens, on a plain thread. One function, so that a yield looks up its thread once.
bool try_yield();
/// The same; and before this worker runs another task it looks at its timers, its poller and the injector. For a task that
/// has been served by one descriptor for long.
bool try_yield_to_events();

/// The next timer that this thread adds to its heap will find room, unless a suspension comes first. Throws
/// std::bad_alloc.
void reserve_timer_here();

/// Adds a timer to the heap of the worker on this thread. Is it due `now`, it fires before this task's next suspension, or
/// yield, has ended. Returns the number of the runtime. Throws std::bad_alloc.
std::uint32_t add_timer_here(timer_node& node, clock::time_point deadline, clock::time_point now);

/// Takes a timer out of whatever heap of that runtime it is in, which may have ended; afterwards nobody touches it.
void remove_timer(timer_node& node, std::uint32_t runtime_number) noexcept;

}  // namespace coir::detail
