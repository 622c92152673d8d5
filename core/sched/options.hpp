// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>

namespace coir {

class task_ref;

/// How a runtime is set up. Every member has a default.
struct runtime_options {
    /// Scheduler threads. 0: as many as the process may use cores (affinity and cgroup quota), or COIR_WORKERS if that
    /// is set. More than 1,024 is an error.
    unsigned workers = 0;

    /// Binds each worker to one of the cores that the process may use.
    bool pin_workers = false;

    /// Address space of a task's stack in bytes; memory is used only as far as it is touched. 0: 256 KiB.
    std::size_t stack_size = 0;

    /// Replays one pseudo-random order of everything that tasks do among themselves; implies one worker (whatever `workers`
    /// says) and virtual time. What comes from outside (descriptors, other threads, processes) is not replayed.
    std::optional<std::uint64_t> seed = std::nullopt;

    /// coir::clock stands still while any task can go on, and jumps to the next deadline when all of them wait and no job
    /// is outstanding that one of them, be it in blocking(), has handed to an executor. (Of jobs that a plain thread or another
    /// job hands over nobody knows whom they are for.) With descriptors waited for, they are given a millisecond before each jump.
    bool virtual_time = false;

    /// Names the worker threads; shown in reports.
    std::string name = {};

    /// Called once for each task that ended with an exception which nobody looked at. Empty: one line on stderr.
    std::function<void(task_ref, std::exception_ptr)> on_unhandled_exception = {};

    /// A task that keeps its worker for longer is reported on stderr, with the place where it is; what computes in fork_join()
    /// and the parallel loops too. 0: never. Negative: an error.
    std::chrono::nanoseconds stall_threshold = std::chrono::milliseconds(100);

    /// The first Ctrl-C cancels the main task, so that run() throws `cancelled` unless it catches that; the second ends the
    /// process.
    bool handle_sigint = false;
};

/// A runtime's counters since its start. Read while it runs, they are a little older than the call.
struct runtime_stats {
    unsigned workers = 0;
    std::uint64_t tasks_spawned = 0;
    std::uint64_t tasks_ended = 0;
    std::uint64_t tasks_resumed = 0;  ///< switches to a task that had been suspended
    std::uint64_t tasks_stolen = 0;   ///< taken from another worker's queue
    std::uint64_t parks = 0;          ///< how often a worker went to sleep
    std::uint64_t wakeups = 0;        ///< how often a sleeping worker was interrupted by another thread
    std::uint64_t timers_fired = 0;
    std::uint64_t io_events = 0;
};

}  // namespace coir
