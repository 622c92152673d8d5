// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   compute_executor   jobs in an arena of oneTBB, whose algorithms they may use

#include <coir/executors/executor.hpp>

#include <cstddef>
#include <memory>

namespace coir {

/// How a compute executor is set up.
struct compute_options {
    /// Threads that compute in it at the same time. 0: as many as the process may use cores.
    std::size_t max_concurrency = 0;
};

/// An executor for work that computes, on oneTBB's threads in an arena of its own: algorithms that a job calls
/// (tbb::parallel_for and so on) run in that arena, and whoever awaits the future holds up no worker. An exception that
/// such an algorithm passes on is the job's. Cancelling the future cancels the algorithms that the job runs (its
/// tbb::task_group_context); they return early, and the job's result is dropped.
///
/// While compute executors live, the most threads that oneTBB uses in this process
/// (tbb::global_control::max_allowed_parallelism) is at least what they have together, unless the program sets less.
///
/// A job must not wait for its own executor: shutdown() in one throws invalid_state. In the body of an algorithm that a job
/// has called, it does so only on the job's own thread; on the other threads of the algorithm it waits for ever.
///
/// A job that blocks keeps one of oneTBB's threads: use a thread pool for those. These threads stay, and coir cannot tell
/// whether they sleep: once there are some, a runtime does not find deadlocks any more.
class compute_executor final : public executor {
public:
    /// Throws std::invalid_argument for a concurrency beyond 100,000.
    explicit compute_executor(compute_options options = {});
    ~compute_executor() override;

    void execute(job work) override;
    void shutdown(shutdown_options options = {}) override;
    executor_stats stats() const override;

private:
    class queue;
    struct arena;
    std::shared_ptr<queue> queue_;  // jobs that run share it: one that destroys the executor finds it alive
    std::unique_ptr<arena> arena_;
};

}  // namespace coir
