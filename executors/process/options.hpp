// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace coir {

/// How a process pool is set up. Every member has a default.
struct process_pool_options {
    /// Worker processes at most. 0: as many as the process may use cores. More than 1,024 is an error.
    std::size_t max_workers = 0;

    /// A worker is replaced after so many jobs. 0: never.
    std::size_t max_jobs_per_worker = 0;

    /// Called in each worker before its first job. If it throws or ends the worker, and does so again when that is tried anew,
    /// the pool is broken: see broken_executor.
    void (*initializer)() = nullptr;

    /// Bytes of memory that a worker may have for its data (RLIMIT_DATA). 0: as many as the program itself.
    /// An allocation beyond it fails, usually as std::bad_alloc.
    std::size_t memory_limit = 0;

    /// Processor time that one job may take; a worker that exceeds it is killed by SIGXCPU (RLIMIT_CPU, which counts whole
    /// seconds), or, if the job catches or ignores that, by SIGKILL after one more second. 0, or more than thirty years: as much
    /// as it likes.
    std::chrono::seconds cpu_limit = std::chrono::seconds(0);

    /// Within this time a worker must have started and run its initializer.
    std::chrono::nanoseconds start_timeout = std::chrono::seconds(30);

    /// The environment variables that workers see; "LC_*" stands for all with that beginning. What the loader and the
    /// sanitizers need (LD_LIBRARY_PATH, LD_PRELOAD, ASAN_OPTIONS and the like) is always passed on, nothing else is.
    std::vector<std::string> inherit_environment = {};
};

/// A process pool's counters.
struct process_pool_stats {
    std::size_t workers = 0;            ///< processes that run jobs or could, or are starting
    std::size_t idle_workers = 0;       ///< of them waiting for a job
    std::size_t queued = 0;             ///< jobs that no worker has
    std::size_t running = 0;            ///< jobs that a worker has
    std::uint64_t submitted = 0;        ///< jobs accepted since the start
    std::uint64_t completed = 0;        ///< jobs that returned or threw
    std::uint64_t cancelled = 0;        ///< jobs that were cancelled, out of time, or given up by a broken pool
    std::uint64_t workers_started = 0;  ///< processes started since the start
    std::uint64_t workers_died = 0;     ///< of them ended against the pool's will
};

}  // namespace coir
