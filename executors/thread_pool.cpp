// SPDX-License-Identifier: BSL-1.0
//
// The side of those who submit, cancel and shut down; the threads are in thread_pool_threads.cpp.

#include <coir/executors/thread_pool.hpp>

#include "core/sched/cores.hpp"
#include "executors/running_in_impl.hpp"
#include "executors/shut_down_impl.hpp"
#include "executors/thread_pool_impl.hpp"

#include <coir/core/task/task_ref.hpp>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include <pthread.h>
#include <sched.h>

namespace coir {
namespace {

constexpr std::size_t k_most_workers = 100'000;
constexpr detail::wait_kind k_waits_for_room{"room in the queue of a thread pool"};

// How many threads of a pool may spin at once. Guessed: one of four cores.
unsigned most_spinning() {
    static unsigned const most = std::max(1u, detail::usable_core_count() / 4);
    return most;
}

std::size_t default_workers() {
    return std::min<std::size_t>(32, detail::usable_core_count() + 4);
}

}  // namespace

thread_pool_executor::pool::pool(thread_pool_options options)
    : options_(std::move(options)), most_spinning_(most_spinning()) {
    if (options_.max_workers == 0) {
        options_.max_workers = default_workers();
    }
    if (options_.max_workers > k_most_workers) {
        throw std::invalid_argument("thread_pool_options: at most 100000 workers are possible");
    }
    if (options_.idle_timeout < std::chrono::nanoseconds::zero()) {
        throw std::invalid_argument("thread_pool_options: idle_timeout is negative");
    }
}

bool thread_pool_executor::pool::runs_caller() const noexcept {
    return detail::runs_in(this);
}

bool thread_pool_executor::pool::has_lost_its_threads() const noexcept {
    return has_had_threads_.load(std::memory_order_relaxed) && !owner_.is_this();
}

void thread_pool_executor::pool::execute(job work) {
    if (has_lost_its_threads()) [[unlikely]] {
        throw broken_executor(
            "thread_pool_executor: this process is a fork of the one that made the pool, and has none "
            "of its threads");
    }
    effects todo;
    {
        lock held(lock_);
        if (closed_) {
            throw_closed();
        }
        if (is_full() && !(options_.queue_policy == coir::queue_policy::wait && runs_caller())) {
            switch (options_.queue_policy) {
            case coir::queue_policy::wait:
                held.unlock();
                wait_for_room(work);
                return;
            case coir::queue_policy::reject:
                ++rejected_;
                throw executor_full();
            case coir::queue_policy::caller_runs:
                ++submitted_;
                held.unlock();
                work.count_completion(completed_);
                {
                    auto const keep = shared_from_this();  // the job may destroy the executor
                    work.run();
                }
                return;
            }
        }
        append(*work.release(), todo);
    }
    perform(todo);
}

void thread_pool_executor::pool::wait_for_room(job& work) {
    auto const keep = shared_from_this();  // whoever shuts down does not wait for those who are turned away
    detail::job_base* const waiting = work.release();
    struct guard {
        job& work;
        detail::job_base* waiting;
        ~guard() {
            if (waiting != nullptr) {
                work = job(waiting);
            }
        }
    } back{work, waiting};
    detail::wait_point wait;
    wait.is_for(k_waits_for_room, this);
    submitter self(wait.who(), *waiting);
    effects todo;
    {
        lock held(lock_);
        if (closed_) {
            throw_closed();
        }
        if (!is_full()) {
            append(*waiting, todo);
            back.waiting = nullptr;
        } else {
            room_.push_back(self);
            ++waiting_;
        }
    }
    if (back.waiting == nullptr) {
        perform(todo);
        return;
    }
    detail::wake_reason const reason = wait.suspend();
    lock held(lock_);
    --waiting_;
    if (self.accepted) {
        back.waiting = nullptr;
        return;
    }
    room_.erase(self);
    if (reason == detail::wake_reason::notified) {
        if (self.refused) {
            std::rethrow_exception(self.refused);
        }
        throw_closed();
    }
    held.unlock();
    wait.throw_if_cancelled();
}

bool thread_pool_executor::pool::is_full() const noexcept {
    if (options_.queue_limit == 0) {
        return false;
    }
    std::size_t const at_hand = takers_ + starting_ + asleep_ + (options_.max_workers - threads_);
    return queue_.size() >= at_hand && queue_.size() - at_hand >= options_.queue_limit;
}

void thread_pool_executor::pool::throw_closed() const {
    if (why_closed_) {
        std::rethrow_exception(why_closed_);
    }
    throw executor_shut_down();
}

void thread_pool_executor::pool::append(detail::job_base& work, effects& todo) noexcept {
    work.enter(*this, completed_);
    submitters_core_ = ::sched_getcpu();
    queue_.push_back(work);
    ++submitted_;
    summon(todo);
    if (todo.chosen != nullptr && todo.chosen->looks_on >= 0 && todo.chosen->looks_on != submitters_core_ &&
        todo.chosen->word.load(std::memory_order_relaxed) == sleeper::k_looking) {
        work.begins_at_once(answers_.budget());
    }
}

void thread_pool_executor::pool::summon(effects& todo) noexcept {
    while (queue_.size() > takers_) {
        if (sleepers_ != nullptr) {
            choose(*sleepers_, todo);
        } else if (queue_.size() > takers_ + starting_ && threads_ < options_.max_workers) {
            owner_.become_this();
            has_had_threads_.store(true, std::memory_order_relaxed);
            ++threads_;
            ++starting_;
            ++todo.threads_to_start;
        } else {
            return;
        }
    }
}

void thread_pool_executor::pool::choose(sleeper& s, effects& todo) noexcept {
    (s.previous == nullptr ? sleepers_ : s.previous->next) = s.next;
    if (s.next != nullptr) {
        s.next->previous = s.previous;
    }
    --asleep_;
    ++takers_;
    s.chosen = true;
    s.harmless.reset();
    s.next = todo.chosen;
    todo.chosen = &s;
}

void thread_pool_executor::pool::admit_waiting(effects& todo) noexcept {
    while (!room_.empty() && !is_full()) {
        detail::wait_node* const node = room_.take_claimed();
        if (node == nullptr) {
            return;
        }
        auto& next = static_cast<submitter&>(*node);
        append(*next.work, todo);
        next.accepted = true;
        todo.wakes.add_claimed(*node->who);
    }
}

void thread_pool_executor::pool::turn_away_waiting(std::exception_ptr const& reason, effects& todo) noexcept {
    while (detail::wait_node* const node = room_.take_claimed()) {
        static_cast<submitter&>(*node).refused = reason;
        todo.wakes.add_claimed(*node->who);
    }
}

void thread_pool_executor::pool::remove(detail::job_base& work) noexcept {
    effects todo;
    std::shared_ptr<pool> keep;
    bool mine = false;
    {
        lock const held(lock_);
        keep = shared_from_this();
        bool being_removed = false;
        mine = work.leave(being_removed);
        if (mine) {
            queue_.erase(work);
            ++cancelled_;
            admit_waiting(todo);
        }
    }
    work.end_removal();  // whoever took it out meanwhile may go on, and the pool end: `keep` holds what is needed here
    if (mine) {
        job(&work).abandon(std::make_exception_ptr(cancelled()));  // its future is done: this lets go of it
    }
    perform(todo);
}

void thread_pool_executor::pool::close(bool cancel_pending) {
    if (has_lost_its_threads()) {
        return;
    }
    effects todo;
    detail::job_list dropped;
    bool over = false;
    {
        lock const held(lock_);
        closed_ = true;
        if (cancel_pending) {
            cancelled_ += queue_.size();
            dropped = queue_.take_all();
        }
        turn_away_waiting(nullptr, todo);
        while (sleepers_ != nullptr) {
            choose(*sleepers_, todo);
        }
        over = threads_ == 0;
    }
    perform(todo);
    dropped.give_up_all(std::make_exception_ptr(cancelled(detail::keep_reason("the executor was shut down"))));
    if (over) {
        all_ended_.set();
    }
}

void thread_pool_executor::pool::wait_until_ended() {
    if (has_lost_its_threads()) {
        return;
    }
    cancel_shield const shield;  // a thread that still runs refers to things that the caller is about to destroy
    all_ended_.wait();
    std::optional<pthread_t> last;
    {
        lock const held(lock_);
        last = std::exchange(last_ended_, std::nullopt);
    }
    if (last) {
        ::pthread_join(*last, nullptr);
    }
}

void thread_pool_executor::pool::let_threads_go() {
    lock const held(lock_);
    unattended_ = true;
}

executor_stats thread_pool_executor::pool::stats() const {
    lock const held(lock_);
    executor_stats result;
    result.threads = threads_;
    result.idle_threads = asleep_;
    result.queued = queue_.size();
    result.submitted = submitted_;
    result.completed = completed_.load(detail::memory_order_relaxed);
    result.cancelled = cancelled_;
    result.rejected = rejected_;
    result.waiting = waiting_;
    return result;
}

thread_pool_executor::thread_pool_executor(thread_pool_options options)
    : executor(own_accounting{}), pool_(std::make_shared<pool>(std::move(options))) {}

thread_pool_executor::~thread_pool_executor() {
    if (pool_->runs_caller()) {
        std::fputs("coir: a thread pool was destroyed by one of its own jobs, and does not wait for them\n", stderr);
        pool_->let_threads_go();
        pool_->close(false);
    } else {
        pool_->close(false);
        pool_->wait_until_ended();
    }
}

void thread_pool_executor::execute(job work) {
    pool_->execute(std::move(work));
}

void thread_pool_executor::shutdown(shutdown_options options) {
    detail::shut_down(*pool_, options, "thread_pool_executor::shutdown: a job of this pool would wait for itself");
}

executor_stats thread_pool_executor::stats() const {
    return pool_->stats();
}

}  // namespace coir
