// SPDX-License-Identifier: BSL-1.0
#pragma once

// The only thread-local storage of coir.
//
// A compiler may compute the address of a thread_local once per function. A task that suspends may go on on another
// thread, where that address belongs to the thread that it left. So no thread_local is named outside of tls.cpp, the
// getters below are opaque to the optimiser, and what they return is never kept across a suspension.

#include <cstddef>

namespace coir::detail {

class worker;
struct fiber_thread;
struct fork_place;
struct held_locks;
class record_cache;
class context_scope;

/// The worker that runs on this thread, or nullptr on a thread that belongs to no runtime.
worker* this_worker() noexcept;
void set_this_worker(worker* value) noexcept;

/// Where the task on this thread puts calls that others may take: its worker's; nullptr on a thread that belongs to no
/// runtime.
fork_place* this_fork_place() noexcept;
void set_this_fork_place(fork_place* value) noexcept;

/// The free records of the worker on this thread, or nullptr on a thread that belongs to no runtime.
record_cache* this_record_cache() noexcept;
void set_this_record_cache(record_cache* value) noexcept;

/// What stands in the place of the worker while the task on this thread blocks it (core/sched/blocking_section), or
/// nullptr.
fiber_thread* this_blocking_section() noexcept;
void set_this_blocking_section(fiber_thread* value) noexcept;

/// An executor whose job runs on this plain thread; and the one in whose job that job runs, and so on. Lies on the thread's
/// stack.
struct executor_frame {
    void const* executor;
    executor_frame const* outer;
};

/// The innermost, or nullptr. Never set while a task runs.
executor_frame const* this_executor_frame() noexcept;
void set_this_executor_frame(executor_frame const* value) noexcept;
/// All that the calling thread does from now on, its thread_local objects' ends included, is the work of `executor`.
void give_this_thread_to_executor(void const* executor) noexcept;

/// The context variables of the call that runs on this plain thread, or nullptr. Lies on the thread's stack.
context_scope* this_context_scope() noexcept;
void set_this_context_scope(context_scope* value) noexcept;

/// What the calling thread has locked in the task that runs on it. In builds with COIR_CHECK_HELD_LOCKS only.
held_locks& this_thread_held_locks() noexcept;

/// What core/task keeps for each plain thread.
enum class thread_object : unsigned char { waiter, fibers };

/// The room for each of them, aligned to 16: a thread that waits must not need memory for that.
inline constexpr std::size_t k_thread_object_room = 192;

/// One of these objects of the calling thread: made by `make` in that room on first use, ended by `destroy` with the thread.
/// Opaque here because this layer knows nothing of waiting.
void* this_thread_object(thread_object which, void* (*make)(void* room), void (*destroy)(void*)) noexcept;

}  // namespace coir::detail
