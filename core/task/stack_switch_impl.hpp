// SPDX-License-Identifier: BSL-1.0
#pragma once

// Going on on another stack within one task, or within one plain thread: what generators and coroutines are made of.
//
// The scheduler is not told. A task that suspends is resumed on the stack that it was on (`task_base::suspended_on` is
// the worker's current fiber), so it may wait on any of its stacks and go on there on another worker.
//
// A plain thread gets a fiber_thread of its own when it first resumes a side stack. A side stack may go from plain threads
// to workers and back: what it is known by is its fiber, wherever it runs.

#include "core/fiber/switch.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>

namespace coir::detail {

class task_base;

/// The worker of the calling thread, as far as a switch has to know it; null on a plain thread. Defined by core/sched.
fiber_thread* this_worker_as_fiber_thread() noexcept;

/// The same, or the plain thread's.
fiber_thread& this_fiber_thread();

/// The stack size of the calling task's runtime, as its options have it; 0 elsewhere. Defined by core/sched.
std::size_t stack_size_here() noexcept;

/// An exception that nobody can be thrown it: to on_unhandled_exception of the calling task's runtime, or one line to
/// stderr. Defined by core/sched.
void report_unhandled_here(std::exception_ptr const& error) noexcept;

/// A fiber that will call `entry`, which finds `argument` in the current fiber. `size` 0: as the runtime's tasks have.
/// Throws std::bad_alloc.
fiber& make_side_fiber(std::size_t size, void (*entry)(fiber_thread*), void* argument);

/// Leaves the current stack, which can be gone on with at `left` from then on, and goes on on `to`. Returns when somebody
/// switches back, perhaps on another thread; never, if this stack dies. On a thread that has called this_fiber_thread().
void switch_stack(fiber*& left, fiber& to, leaving how = leaving::suspends) noexcept;

/// Around a switch. An exception that leaves the other stack would come out here: so while this stack unwinds, or if
/// `always`, no cancellation is thrown over there.
class side_shield {
public:
    explicit side_shield(bool always = false) noexcept;
    side_shield(side_shield const&) = delete;
    side_shield& operator=(side_shield const&) = delete;
    ~side_shield();

private:
    task_base* task_ = nullptr;
    std::uint64_t id_ = 0;
};

}  // namespace coir::detail
