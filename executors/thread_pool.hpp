// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   thread_pool_executor   jobs on threads that are started on demand; for calls that block a thread

#include <coir/executors/executor.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace coir {

/// How a thread pool is set up. Every member has a default.
struct thread_pool_options {
    /// Threads at most. 0: 4 more than the process may use cores, and 32 at the most.
    std::size_t max_workers = 0;
    /// The threads are named "<prefix>-<number>".
    std::string thread_name_prefix = "coir-pool";
};

/// Jobs in the order of submission, on threads that are started on demand; idle ones are used first. Destruction is
/// shutdown().
class thread_pool_executor final : public executor {
public:
    /// Throws std::invalid_argument for more than 100,000 workers.
    explicit thread_pool_executor(thread_pool_options options = {});
    ~thread_pool_executor() override;

    void execute(job work) override;
    void shutdown(shutdown_options options = {}) override;
    executor_stats stats() const override;

private:
    class pool;
    std::shared_ptr<pool> pool_;  // the threads share it: one that ends late finds it alive
};

}  // namespace coir
