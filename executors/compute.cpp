// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/compute.hpp>

#include "core/sched/cores.hpp"

#include <coir/core/base/config.hpp>

#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <utility>

#if COIR_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace coir {
namespace {

constexpr std::size_t k_most_threads = 100'000;

int concurrency(std::size_t wanted) {
    if (wanted > k_most_threads) {
        throw std::invalid_argument("compute_options: at most 100000 threads are possible");
    }
    return static_cast<int>(wanted != 0 ? wanted : detail::usable_core_count());
}

// oneTBB starts one thread less than there are cores, since it reckons with the one that calls it; nobody enters our
// arenas. So while there are some, its limit is what they need together. Of several limits in a process the lowest holds:
// a user's lower one wins.
class allowance {
public:
    explicit allowance(int threads) : threads_(static_cast<std::size_t>(threads)) {
        std::lock_guard const lock(mutex_);
        install(limit_for(all_threads_ + threads_));
        all_threads_ += threads_;
    }
    allowance(allowance const&) = delete;
    allowance& operator=(allowance const&) = delete;
    ~allowance() {
        std::lock_guard const lock(mutex_);
        all_threads_ -= threads_;
        try {
            install(limit_for(all_threads_));
        } catch (std::bad_alloc const&) {
            return;  // then it stays as it is, higher than need be
        }
    }

private:
    using limit = tbb::global_control;

    // Null: there need be none.
    static std::unique_ptr<limit> limit_for(std::size_t threads) {
        constexpr auto k_what = limit::max_allowed_parallelism;
        std::size_t const without_ours = limit_ != nullptr ? static_cast<std::size_t>(tbb::info::default_concurrency())
                                                           : limit::active_value(k_what);
        return threads + 1 > without_ours ? std::make_unique<limit>(k_what, threads + 1) : nullptr;
    }
    static void install(std::unique_ptr<limit> next) noexcept { delete std::exchange(limit_, next.release()); }

    static constinit inline std::mutex mutex_;  // guards:
    static constinit inline limit* limit_ = nullptr;
    static constinit inline std::size_t all_threads_ = 0;

    std::size_t const threads_;
};

// In a group of its own, of which the algorithms that the job calls are part.
void run_as_group(job work) {
    tbb::task_group_context context(tbb::task_group_context::isolated);
    std::stop_callback const on_cancel(work.stop_token(), [&context] { context.cancel_group_execution(); });
    tbb::task_group group(context);
    group.run_and_wait([&work] { work.run(); });
    // Not run if it was cancelled before: then it is let go here.
}

// A job on its way through oneTBB. The system's libtbb is not instrumented: ThreadSanitizer does not see that what comes
// before enqueue() happens before the run, nor that the memory of one that has run is used again for another.
class handed_over {
public:
    explicit handed_over(detail::job_base& work) noexcept : work_(&work) {}
    handed_over(handed_over&& other) noexcept {
        acquire();
        work_ = other.work_;
        release();
    }
    handed_over& operator=(handed_over&&) = delete;

    void operator()() const {
        acquire();
        job mine(work_);
        release();
        run_as_group(std::move(mine));
    }

private:
    void acquire() const noexcept {
#if COIR_TSAN
        __tsan_acquire(const_cast<handed_over*>(this));
#endif
    }
    void release() const noexcept {
#if COIR_TSAN
        __tsan_release(const_cast<handed_over*>(this));
#endif
    }

    detail::job_base* work_;
};

}  // namespace

struct compute_executor::arena {
    // No place is kept for threads that enter the arena from outside: jobs are only ever enqueued.
    explicit arena(int threads) : allowed(threads), tbb(threads, 0) {}
    allowance allowed;
    tbb::task_arena tbb;
};

compute_executor::compute_executor(compute_options options)
    : executor(with_stop_tokens{}), arena_(std::make_unique<arena>(concurrency(options.max_concurrency))) {}

// A job that destroys its executor cannot wait for itself: the base class says so. oneTBB keeps the arena until the jobs
// in it have run.
compute_executor::~compute_executor() {
    if (!runs_caller()) {
        shutdown();
    }
}

void compute_executor::execute(job work) {
    detail::job_base* const raw = work.release();
    try {
        arena_->tbb.enqueue(handed_over(*raw));
    } catch (...) {
        work = job(raw);
        throw;
    }
}

}  // namespace coir
