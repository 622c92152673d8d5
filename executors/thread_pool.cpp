// SPDX-License-Identifier: BSL-1.0
//
// A queue of jobs under a lock, and threads that take them. A thread that runs dry spins for a moment, then sleeps on its
// own futex word; submitters wake the one that went to sleep last, whose caches are the warmest.

#include <coir/executors/thread_pool.hpp>

#include "core/base/futex.hpp"
#include "core/base/thread_name.hpp"
#include "core/sched/cores.hpp"

#include <coir/core/base/lock.hpp>
#include <coir/core/task/future.hpp>
#include <coir/sync/event.hpp>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

namespace coir {
namespace {

constexpr std::size_t k_most_workers = 100'000;
// A sleep and a wake through the kernel cost about 10 µs together: a job that comes within that time finds the thread
// awake. Guessed; longer spinning would take the core away from whoever makes the next job.
constexpr auto k_spin_time = std::chrono::microseconds(10);

std::size_t default_workers() {
    return std::min<std::size_t>(32, detail::usable_core_count() + 4);
}

}  // namespace

class thread_pool_executor::pool : public std::enable_shared_from_this<thread_pool_executor::pool> {
public:
    explicit pool(thread_pool_options options) : options_(std::move(options)) {
        if (options_.max_workers == 0) {
            options_.max_workers = default_workers();
        }
        if (options_.max_workers > k_most_workers) {
            throw std::invalid_argument("thread_pool_options: at most 100000 workers are possible");
        }
    }

    void execute(job work) {
        bool start_thread = false;
        {
            std::lock_guard const guard(lock_);
            if (closed_) {
                throw executor_shut_down();
            }
            start_thread = sleepers_.empty() && queue_.size() >= spinning_ && threads_ < options_.max_workers;
            threads_ += start_thread ? 1 : 0;
        }
        if (start_thread) {
            start_one();  // before the job is in the queue: if there is no thread at all, the job is refused
        }
        sleeper* to_wake = nullptr;
        {
            std::lock_guard const guard(lock_);
            if (closed_) {
                throw executor_shut_down();
            }
            queue_.push_back(std::move(work));
            queued_.store(queue_.size(), std::memory_order_release);
            ++submitted_;
            if (!sleepers_.empty()) {
                to_wake = sleepers_.back();
                sleepers_.pop_back();
                to_wake->word.store(1, std::memory_order_release);
            }
        }
        if (to_wake != nullptr) {
            detail::futex_wake(to_wake->word, 1);
        }
    }

    void close(bool cancel_pending) {
        std::deque<job> dropped;
        std::vector<sleeper*> to_wake;
        bool over = false;
        {
            std::lock_guard const guard(lock_);
            closed_ = true;
            if (cancel_pending) {
                dropped.swap(queue_);
                queued_.store(0, std::memory_order_release);
                cancelled_ += dropped.size();
            }
            to_wake.swap(sleepers_);
            for (sleeper* s : to_wake) {
                s->word.store(1, std::memory_order_release);
            }
            over = threads_ == 0;
        }
        for (sleeper* s : to_wake) {
            detail::futex_wake(s->word, 1);
        }
        for (job& work : dropped) {
            work.abandon(std::make_exception_ptr(cancelled("the executor was shut down")));
        }
        if (over) {
            all_ended_.set();
        }
    }

    void wait_until_ended() {
        cancel_shield const shield;  // a thread that still runs refers to things that the caller is about to destroy
        all_ended_.wait();
    }

    executor_stats stats() const {
        std::lock_guard const guard(lock_);
        return {threads_, sleepers_.size() + spinning_, queue_.size(), submitted_, completed_, cancelled_};
    }

private:
    // Lies on the stack of a sleeping thread; reachable only while it is in sleepers_, under lock_, and until it is woken.
    struct sleeper {
        std::atomic<std::uint32_t> word{0};
    };

    void start_one() {
        try {
            std::thread([self = shared_from_this()] { self->work(); }).detach();
        } catch (std::system_error const&) {
            bool nobody_left = false;
            {
                std::lock_guard const guard(lock_);
                nobody_left = --threads_ == 0;
            }
            if (nobody_left) {
                throw;  // nobody would ever run the job
            }
        }
    }

    void work() {
        detail::name_this_thread(options_.thread_name_prefix, names_.fetch_add(1, std::memory_order_relaxed));
        std::unique_lock lock(lock_);
        for (;;) {
            if (!queue_.empty()) {
                run_next(lock);
            } else if (closed_) {
                break;
            } else {
                wait_for_work(lock);
            }
        }
        bool const last = --threads_ == 0;
        lock.unlock();
        if (last) {
            all_ended_.set();
        }
    }

    void run_next(std::unique_lock<detail::spin_mutex>& lock) {
        {
            job next = std::move(queue_.front());
            queue_.pop_front();
            queued_.store(queue_.size(), std::memory_order_relaxed);
            lock.unlock();
            if (next.is_cancelled()) {
                lock.lock();
                ++cancelled_;
                lock.unlock();
            } else {
                next.run();
                lock.lock();
                ++completed_;
                lock.unlock();
            }
            // The job, with all that it captured, ends here, without the lock.
        }
        lock.lock();
    }

    void wait_for_work(std::unique_lock<detail::spin_mutex>& lock) {
        ++spinning_;
        lock.unlock();
        auto const give_up = std::chrono::steady_clock::now() + k_spin_time;
        while (queued_.load(std::memory_order_acquire) == 0 && std::chrono::steady_clock::now() < give_up) {
            for (int i = 0; i < 16; ++i) {
                detail::spin_pause();
            }
        }
        lock.lock();
        --spinning_;
        if (!queue_.empty() || closed_) {
            return;
        }
        sleeper self;
        sleepers_.push_back(&self);
        lock.unlock();
        while (self.word.load(std::memory_order_acquire) == 0) {
            detail::futex_wait(self.word, 0);
        }
        lock.lock();
    }

    thread_pool_options options_;
    std::atomic<std::uint64_t> names_{0};
    std::atomic<std::size_t> queued_{0};  // a look at queue_ without the lock

    detail::spin_mutex mutable lock_;  // guards:
    std::deque<job> queue_;
    std::vector<sleeper*> sleepers_;
    std::size_t threads_ = 0;
    std::size_t spinning_ = 0;
    bool closed_ = false;
    std::uint64_t submitted_ = 0;
    std::uint64_t completed_ = 0;
    std::uint64_t cancelled_ = 0;

    event all_ended_;
};

thread_pool_executor::thread_pool_executor(thread_pool_options options)
    : pool_(std::make_shared<pool>(std::move(options))) {}

thread_pool_executor::~thread_pool_executor() {
    shutdown();
}

void thread_pool_executor::execute(job work) {
    pool_->execute(std::move(work));
}

void thread_pool_executor::shutdown(shutdown_options options) {
    pool_->close(options.cancel_pending);
    if (options.wait) {
        pool_->wait_until_ended();
    }
}

executor_stats thread_pool_executor::stats() const {
    return pool_->stats();
}

}  // namespace coir
