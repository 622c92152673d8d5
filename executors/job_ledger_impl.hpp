// SPDX-License-Identifier: BSL-1.0
#pragma once

// Not for users: how an executor that keeps no account of its own (a user's) knows which jobs are under way, so that it can be shut down and say how it does. Shared by the executor and its jobs: it outlives both.

#include <coir/core/base/atomic.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/sync/event.hpp>

#include <cstdint>

namespace coir::detail {

class job_ledger {
public:
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

    void close(bool drop_pending) noexcept;
    /// After close(): until every job has ended, come what may.
    void wait_until_over();

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

    atomic<std::uint64_t> completed_{0};
    atomic<std::uint32_t> references_{1};
    event over_;
};

}  // namespace coir::detail
