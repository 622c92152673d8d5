// SPDX-License-Identifier: BSL-1.0
#pragma once

// A task that runs out of stack ends the process with one line that says so, instead of an anonymous SIGSEGV:
//
//     coir: task 'parse upload' overflowed its 256 KiB stack
//
// The fault happens on a stack that has no room left, so the handler needs one of its own on every thread that runs
// fibers. Every other fault goes to whoever handled it before, as if coir were not there.

#include <cstddef>

namespace coir::detail {

/// Writes the name of the task that the calling thread is running into `buffer`, at most `size` bytes without an end
/// mark, and returns how many. Called in a signal handler: no locks, no allocation.
using task_name_hook = std::size_t (*)(char* buffer, std::size_t size);

/// Who knows the names of tasks. Null: nobody.
void set_task_name_hook(task_name_hook hook) noexcept;

/// Installs the handler for SIGSEGV and SIGBUS, on the first call; it stays for good. A handler that somebody installs
/// later takes its place, and is expected to chain as ours does. Any thread.
void install_overflow_handler() noexcept;

/// Memory for a signal stack, with a guard. To be made by whoever starts the thread: a thread that finds none for itself has
/// nobody whom it could tell. Throws std::system_error.
class signal_stack_memory {
public:
    signal_stack_memory();
    ~signal_stack_memory();
    signal_stack_memory(signal_stack_memory const&) = delete;
    signal_stack_memory& operator=(signal_stack_memory const&) = delete;

    void* base() const noexcept { return mapping_ + guard_; }
    std::size_t size() const noexcept { return mapped_ - guard_; }

private:
    std::byte* mapping_ = nullptr;
    std::size_t mapped_;
    std::size_t guard_;
};

/// Gives the calling thread a signal stack for as long as the object lives, unless it has one already (a sanitizer's,
/// or the program's own). Must be destroyed by the thread that made it.
class alternate_signal_stack {
public:
    /// `memory` outlives it.
    explicit alternate_signal_stack(signal_stack_memory const& memory) noexcept;
    ~alternate_signal_stack();
    alternate_signal_stack(alternate_signal_stack const&) = delete;
    alternate_signal_stack& operator=(alternate_signal_stack const&) = delete;

private:
    void* installed_ = nullptr;  // null: the thread had its own
};

}  // namespace coir::detail
