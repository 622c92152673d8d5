// SPDX-License-Identifier: BSL-1.0
#pragma once

// Not for users: what code that is no task's waits with.

#include <coir/core/task/shared_state.hpp>
#include <coir/core/task/waiter.hpp>
#include <coir/executors/job.hpp>

namespace coir::detail {

/// A job that waits for a state. It runs on one of coir's bridge threads: the thread that completes the state may be a worker,
/// which must not be given to code that perhaps blocks, or hold a lock.
class waiting_job : called_waiter {
public:
    waiting_job() noexcept : called_waiter(&run_elsewhere), node_(*this) {}
    waiting_job(waiting_job const&) = delete;
    waiting_job& operator=(waiting_job const&) = delete;
    ~waiting_job();

    /// Once. False if the state is done already; the job then stays here. Otherwise it may run, and this be gone, at any moment.
    bool wait_for(shared_state_base& state, job what) noexcept;
    /// After wait_for(): ends the wait. True if the job will not run, and is gone; false if it runs, or is about to.
    bool withdraw(shared_state_base& state) noexcept;
    /// Before this is destroyed while it may wait, for who knows that the job does not run yet.
    void leave(shared_state_base& state) noexcept { state.erase(node_); }

private:
    static void run_elsewhere(called_waiter& self) noexcept;
    void drop_job() noexcept;

    join_node node_;
    job what_{nullptr};
};

}  // namespace coir::detail
