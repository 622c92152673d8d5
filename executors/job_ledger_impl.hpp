// SPDX-License-Identifier: BSL-1.0
#pragma once

// Not for users: how an executor that keeps no account of its own (a user's) knows which jobs are under way, so that it can be
// shut down and say how it does. Shared by the executor and its jobs: it outlives both.

#include <coir/core/base/atomic.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/sync/event.hpp>

#include <cstdint>

namespace coir::detail {

class task_base;

class job_ledger {
public:
    /// While it lives, what runs in `task` runs in a job. What running_in is for plain threads: a task may go on on another
    /// thread, and so is noted here.
    class task_in_job {
    public:
        task_in_job(job_ledger& ledger, task_base const& task) noexcept;
        task_in_job(task_in_job const&) = delete;
        task_in_job& operator=(task_in_job const&) = delete;
        ~task_in_job();

    private:
        friend job_ledger;
        job_ledger& ledger_;
        task_base const* const task_;
        task_in_job* next_;
        task_in_job* previous_ = nullptr;
    };

    struct counts {
        std::uint64_t submitted = 0;
        std::uint64_t completed = 0;
        std::uint64_t cancelled = 0;
        std::uint64_t running = 0;
    };

    /// A job is about to be handed to the executor, with a reference to this. Throws executor_shut_down.
    void open_job();
    /// It starts to run: false if it must not, because the executor has dropped it.
    bool start_job() noexcept;
    atomic<std::uint64_t>& completed() noexcept { return completed_; }
    /// It is gone, and has run or not; drops its reference.
    void close_job(bool ran) noexcept;

    /// Does a job run in the calling task, or on the calling plain thread?
    bool runs_caller() const noexcept;

    void close(bool drop_pending) noexcept;
    /// After close(): until every job has ended, come what may.
    void wait_until_ended();

    counts read() const noexcept;
    void release() noexcept;

private:
    spin_mutex mutable lock_;  // guards:
    bool closed_ = false;
    bool drops_pending_ = false;
    std::uint64_t submitted_ = 0;
    std::uint64_t cancelled_ = 0;
    std::uint64_t running_ = 0;
    std::uint64_t alive_ = 0;
    task_in_job* tasks_ = nullptr;

    atomic<std::uint64_t> completed_{0};
    atomic<std::uint32_t> references_{1};
    event over_;
};

}  // namespace coir::detail
