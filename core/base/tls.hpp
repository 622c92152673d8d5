// SPDX-License-Identifier: BSL-1.0
#pragma once

// The only thread-local storage of coir.
//
// A compiler may compute the address of a thread_local once per function. A task that suspends may go on on another
// thread, where that address belongs to the thread that it left. So no thread_local is named outside of tls.cpp, the
// getters below are opaque to the optimiser, and what they return is never kept across a suspension.

namespace coir::detail {

class worker;

/// The worker that runs on this thread, or nullptr on a thread that belongs to no runtime.
worker* this_worker() noexcept;
void set_this_worker(worker* value) noexcept;

/// What the executor whose job runs on this plain thread is known by, or nullptr. Never set while a task runs.
void const* this_executor() noexcept;
void set_this_executor(void const* value) noexcept;

/// The one object that core/task keeps for each plain thread: made by `make` on first use, ended by `destroy` with the
/// thread. Opaque here because this layer knows nothing of waiting.
void* this_thread_object(void* (*make)(), void (*destroy)(void*));

}  // namespace coir::detail
