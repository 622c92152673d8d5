// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/compute.hpp>

#include "core/sched/cores.hpp"
#include "executors/job_list_impl.hpp"
#include "executors/running_in_impl.hpp"
#include "executors/shut_down_impl.hpp"

#include <coir/core/base/atomic.hpp>
#include <coir/core/base/config.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/task_ref.hpp>
#include <coir/sync/event.hpp>

#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
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

// In a group of its own, of which the algorithms that the job calls are part. False if it was cancelled, and has not run.
bool run_as_group(detail::job_base& work, void const* executor) {
    tbb::task_group_context context(tbb::task_group_context::isolated);
    std::stop_callback const on_cancel(work.stop_token(), [&context] { context.cancel_group_execution(); });
    tbb::task_group group(context);
    bool begun = false;
    bool ran = false;
    group.run_and_wait([&] {
        begun = true;
        detail::running_in const here(executor);
        ran = work.run();
    });
    if (!begun) {
        work.give_up(std::make_exception_ptr(cancelled()));  // its future is done: this lets go of it
    }
    return ran;
}

}  // namespace

// The jobs that wait. oneTBB does not give back what it was given, so it has only calls of run_next(), each of which runs the
// job that is first by then, or none if there are fewer, because some were cancelled.
//
// Invariants, under lock_
//   1. No more jobs wait than calls are on their way: none is left lying. A call that is left over serves a later job.
//   2. While there are calls, this keeps itself alive, and the executor's end waits: whoever takes a job out (a call) or has
//      marked it (a canceller, for which the call waits) finds it.
class compute_executor::queue final : public std::enable_shared_from_this<queue>, private detail::job_queue {
public:
    class call;

    /// True: a call is to be made, or given up with drop_call(). Throws executor_shut_down.
    bool push(job& work);
    void drop_call(std::exception_ptr const& reason) noexcept;

    void close(bool cancel_pending);
    void wait_until_ended();
    bool runs_caller() const noexcept { return detail::runs_in(this); }
    executor_stats stats() const noexcept;

private:
    using lock = std::lock_guard<detail::spin_mutex>;

    void run_next() noexcept;
    void end_call() noexcept;
    void remove(detail::job_base& work) noexcept override;

    detail::atomic<std::uint64_t> completed_{0};

    detail::spin_mutex mutable lock_;  // guards:
    detail::job_list jobs_;
    std::size_t calls_ = 0;  // on their way
    std::size_t begun_ = 0;  // of which the end is yet to come
    bool closed_ = false;
    std::uint64_t submitted_ = 0;
    std::uint64_t cancelled_ = 0;
    std::shared_ptr<queue> keep_;

    event all_ended_;
};

// The system's libtbb is not instrumented: ThreadSanitizer does not see that what comes before enqueue() happens before the
// call, nor that the memory of one that has been made is used again for another.
class compute_executor::queue::call {
public:
    explicit call(queue& jobs) noexcept : jobs_(&jobs) {}
    call(call&& other) noexcept {
        acquire();
        jobs_ = other.jobs_;
        release();
    }
    call& operator=(call&&) = delete;

    void operator()() const {
        acquire();
        queue& jobs = *jobs_;
        release();
        jobs.run_next();
    }

private:
    void acquire() const noexcept {
#if COIR_TSAN
        __tsan_acquire(const_cast<call*>(this));
#endif
    }
    void release() const noexcept {
#if COIR_TSAN
        __tsan_release(const_cast<call*>(this));
#endif
    }

    queue* jobs_;
};

bool compute_executor::queue::push(job& work) {
    lock const held(lock_);
    if (closed_) {
        throw executor_shut_down();
    }
    detail::job_base& added = *work.release();
    added.enter(*this, completed_);
    jobs_.push_back(added);
    ++submitted_;
    if (jobs_.size() <= calls_) {
        return false;
    }
    ++calls_;
    if (keep_ == nullptr) {
        keep_ = shared_from_this();
    }
    return true;
}

// Which job is the one too many? Another call may have run the one that this call was to be made for, so it is the last.
void compute_executor::queue::drop_call(std::exception_ptr const& reason) noexcept {
    detail::job_list dropped;
    {
        lock const held(lock_);
        --calls_;
        ++begun_;
        if (jobs_.size() > calls_) {
            detail::job_base& last = *jobs_.pop_back();
            bool being_removed = false;
            last.leave(being_removed);
            dropped.push_back(last);
            ++cancelled_;
        }
    }
    dropped.give_up_all(reason);
    end_call();
}

void compute_executor::queue::run_next() noexcept {
    detail::job_base* next = nullptr;
    bool being_removed = false;
    {
        lock const held(lock_);
        --calls_;
        ++begun_;
        next = jobs_.pop_front();
        if (next != nullptr) {
            next->leave(being_removed);
        }
    }
    if (being_removed) {
        next->await_removal();
    }
    if (next != nullptr && !run_as_group(*next, this)) {
        lock const held(lock_);
        ++cancelled_;
    }
    end_call();
}

void compute_executor::queue::end_call() noexcept {
    std::shared_ptr<queue> keep;
    bool over = false;
    {
        lock const held(lock_);
        if (--begun_ == 0 && calls_ == 0) {
            keep = std::move(keep_);
            over = closed_;
        }
    }
    if (over) {
        all_ended_.set();
    }
}

void compute_executor::queue::remove(detail::job_base& work) noexcept {
    std::shared_ptr<queue> keep;
    bool mine = false;
    {
        lock const held(lock_);
        keep = shared_from_this();
        bool being_removed = false;
        mine = work.leave(being_removed);
        if (mine) {
            jobs_.erase(work);
            ++cancelled_;
        }
    }
    work.end_removal();
    if (mine) {
        work.give_up(std::make_exception_ptr(cancelled()));  // its future is done: this lets go of it
    }
}

void compute_executor::queue::close(bool cancel_pending) {
    detail::job_list dropped;
    bool over = false;
    {
        lock const held(lock_);
        closed_ = true;
        if (cancel_pending) {
            cancelled_ += jobs_.size();
            dropped = jobs_.take_all();
        }
        over = calls_ == 0 && begun_ == 0;
    }
    dropped.give_up_all(std::make_exception_ptr(cancelled(detail::keep_reason("the executor was shut down"))));
    if (over) {
        all_ended_.set();
    }
}

void compute_executor::queue::wait_until_ended() {
    cancel_shield const shield;  // a job that still runs refers to things that the caller is about to destroy
    all_ended_.wait();
}

executor_stats compute_executor::queue::stats() const noexcept {
    lock const held(lock_);
    executor_stats result;
    result.queued = jobs_.size();
    result.submitted = submitted_;
    result.completed = completed_.load(detail::memory_order_relaxed);
    result.cancelled = cancelled_;
    return result;
}

struct compute_executor::arena {
    // No place is kept for threads that enter the arena from outside: jobs are only ever enqueued.
    explicit arena(int threads) : allowed(threads), tbb(threads, 0) {}
    allowance allowed;
    tbb::task_arena tbb;
};

compute_executor::compute_executor(compute_options options)
    : executor(own_accounting{}, with_stop_tokens{}), queue_(std::make_shared<queue>()),
      arena_(std::make_unique<arena>(concurrency(options.max_concurrency))) {}

// oneTBB keeps the arena until the calls in it have been made.
compute_executor::~compute_executor() {
    queue_->close(false);
    if (queue_->runs_caller()) {
        std::fputs("coir: a compute executor was destroyed by one of its own jobs, and does not wait for them\n",
                   stderr);
    } else {
        queue_->wait_until_ended();
    }
}

void compute_executor::execute(job work) {
    if (!queue_->push(work)) {
        return;
    }
    try {
        arena_->tbb.enqueue(queue::call(*queue_));
    } catch (...) {
        queue_->drop_call(std::current_exception());
    }
}

void compute_executor::shutdown(shutdown_options options) {
    detail::shut_down(*queue_, options, "compute_executor::shutdown: a job of this executor would wait for itself");
}

executor_stats compute_executor::stats() const {
    return queue_->stats();
}

}  // namespace coir
