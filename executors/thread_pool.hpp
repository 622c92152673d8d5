// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   thread_pool_executor   jobs on threads that are started on demand; for calls that block a thread

#include <coir/executors/executor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace coir {
namespace detail {
executor& bridge_threads();
}

/// What submit() does when the queue of a thread pool is full.
enum class queue_policy : std::uint8_t {
    wait,  ///< waits for room, in the order of coming: suspends the task (blocks a thread). Cancellable: the job
           ///< then does not run. One of the pool's own jobs does not wait, which could take for ever: the queue grows.
    reject,       ///< throws executor_full
    caller_runs,  ///< runs the job before it returns; in a task this blocks the worker. shutdown() does not wait for it.
};

/// How a thread pool is set up. Every member has a default.
struct thread_pool_options {
    /// Threads at most. 0: 4 more than the process may use cores, and 32 at the most.
    std::size_t max_workers = 0;
    /// The threads are named "<prefix>-<number>".
    std::string thread_name_prefix = "coir-pool";
    /// Called by each thread before its first job. If it throws, the pool is broken: jobs that wait, and later submits, fail
    /// with broken_executor.
    std::function<void()> initializer = {};
    /// A thread that was idle for so long ends. 0: it stays.
    std::chrono::nanoseconds idle_timeout{0};
    /// How many jobs may wait beyond those that a thread is free for. 0: any number.
    std::size_t queue_limit = 0;
    /// What happens to one more.
    coir::queue_policy queue_policy = coir::queue_policy::wait;
};

/// Jobs in the order of submission, on threads that are started on demand; idle ones are used first, the one that became
/// idle last before the others. When no thread can be started, those that exist do all the work; if there is none, the jobs
/// fail with std::system_error, and a later submit tries again.
///
/// In a fork of the process a pool that has had threads has none of them: submit() throws broken_executor, and shutdown() and
/// the destructor do nothing.
///
/// A job may submit to its own pool, but one that waits there for another job holds a thread: when all threads do, nothing
/// goes on. Destruction is shutdown(); by one of the pool's own jobs, it does not wait for the others, and says so on stderr.
class thread_pool_executor final : public executor {
public:
    /// Throws std::invalid_argument for more than 100,000 workers or a negative time-out.
    explicit thread_pool_executor(thread_pool_options options = {});
    ~thread_pool_executor() override;

    void execute(job work) override;
    void shutdown(shutdown_options options = {}) override;
    executor_stats stats() const override;

private:
    friend executor& detail::bridge_threads();
    class pool;
    std::shared_ptr<pool> pool_;  // the threads share it: one that ends late finds it alive
};

}  // namespace coir
