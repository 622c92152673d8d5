// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/job.hpp>

#include "core/base/patience.hpp"
#include "core/base/type_name.hpp"
#include "executors/job_ledger_impl.hpp"
#include "executors/job_list_impl.hpp"
#include "executors/running_in_impl.hpp"

#include <coir/core/base/back_off.hpp>
#include <coir/core/task/suspend.hpp>

#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>
#include <typeinfo>

namespace coir::detail {

bool job_base::run() noexcept {
    bool started = true;
    task_base* const task = current_task_or_null();
    if (task != nullptr) {
        end_outside_work();  // it runs inside of a runtime, whose time has to go on
    }
    if (ledger_ == nullptr) {
        started = perform();
    } else if (has_ended() || !ledger_->start_job()) {
        started = false;
        fail(std::make_exception_ptr(cancelled(keep_reason("the executor was shut down"))));
    } else {
        completed_ = &ledger_->completed();
        std::optional<running_in> on_this_thread;
        std::optional<job_ledger::task_in_job> in_this_task;
        if (task == nullptr) {
            on_this_thread.emplace(ledger_);
        } else {
            in_this_task.emplace(*ledger_, *task);
        }
        if (!perform()) {
            about_to_complete();  // cancelled in the moment in which it started: it counts as run
        }
    }
    end_of_holding(started);
    return started;
}

void job_base::give_up(std::exception_ptr reason) noexcept {
    fail(std::move(reason));
    end_of_holding(false);
}

void job_base::end_of_holding(bool ran) noexcept {
    job_ledger* const ledger = ledger_;
    let_go();
    if (ledger != nullptr) {
        ledger->close_job(ran);
    }
}

void job_base::await_removal() const noexcept {
    for (back_off pause; (place_.load(memory_order_acquire) & k_removing) != 0;) {
        pause.pause();
    }
}

void job_base::look_for_its_end() const noexcept {
    auto const at_most = worth_looking_for_.load(std::memory_order_relaxed);
    if (at_most <= std::chrono::nanoseconds::zero()) {
        return;
    }
    if (may_linger()) {
        look_until([this] { return has_ended(); }, at_most, [] { return !may_linger(); });
    }
}

void job_base::after_cancellation() noexcept {
    std::uint8_t queued = k_queued;
    if (place_.compare_exchange_strong(queued, k_queued | k_removing, memory_order_acq_rel, memory_order_relaxed)) {
        queue_->remove(*this);
    }
    stop_.request_stop();
}

void report_lost(std::exception_ptr const& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (std::exception const& e) {
        std::fprintf(stderr, "coir: unhandled exception in a job that was cancelled: %s: %s\n",
                     type_name(typeid(e)).c_str(), e.what());
    } catch (...) {
        std::fprintf(stderr, "coir: unhandled exception in a job that was cancelled: it is of type %s\n",
                     type_name::of_current_exception().c_str());
    }
}

void job_list::push_back(job_base& work) noexcept {
    work.next = nullptr;
    work.previous = last_;
    (last_ == nullptr ? first_ : last_->next) = &work;
    last_ = &work;
    ++size_;
}

void job_list::erase(job_base& work) noexcept {
    (work.previous == nullptr ? first_ : work.previous->next) = work.next;
    (work.next == nullptr ? last_ : work.next->previous) = work.previous;
    --size_;
}

job_base* job_list::pop_front() noexcept {
    job_base* const work = first_;
    if (work != nullptr) {
        erase(*work);
    }
    return work;
}

job_base* job_list::pop_back() noexcept {
    job_base* const work = last_;
    if (work != nullptr) {
        erase(*work);
    }
    return work;
}

job_list job_list::take_all() noexcept {
    job_list taken;
    while (job_base* const next = pop_front()) {
        bool being_removed = false;
        next->leave(being_removed);
        taken.push_back(*next);
    }
    return taken;
}

void job_list::give_up_all(std::exception_ptr const& reason) noexcept {
    while (job_base* const next = pop_front()) {
        next->await_removal();
        next->give_up(reason);
    }
}

void job_ledger::open_job() {
    std::lock_guard const guard(lock_);
    if (closed_) {
        throw executor_shut_down();
    }
    ++submitted_;
    ++alive_;
    references_.fetch_add(1, memory_order_relaxed);
}

bool job_ledger::start_job() noexcept {
    std::lock_guard const guard(lock_);
    if (drops_pending_) {
        return false;
    }
    ++running_;
    return true;
}

void job_ledger::close_job(bool ran) noexcept {
    bool over = false;
    {
        std::lock_guard const guard(lock_);
        running_ -= ran ? 1 : 0;
        cancelled_ += ran ? 0 : 1;
        over = --alive_ == 0 && closed_;
    }
    if (over) {
        over_.set();
    }
    release();
}

job_ledger::task_in_job::task_in_job(job_ledger& ledger, task_base const& task) noexcept
    : ledger_(ledger), task_(&task) {
    std::lock_guard const guard(ledger_.lock_);
    next_ = ledger_.tasks_;
    if (next_ != nullptr) {
        next_->previous_ = this;
    }
    ledger_.tasks_ = this;
}

job_ledger::task_in_job::~task_in_job() {
    std::lock_guard const guard(ledger_.lock_);
    (previous_ == nullptr ? ledger_.tasks_ : previous_->next_) = next_;
    if (next_ != nullptr) {
        next_->previous_ = previous_;
    }
}

bool job_ledger::runs_caller() const noexcept {
    if (runs_in(this)) {
        return true;
    }
    task_base const* const caller = current_task_or_null();
    if (caller == nullptr) {
        return false;
    }
    std::lock_guard const guard(lock_);
    task_in_job const* each = tasks_;
    while (each != nullptr && each->task_ != caller) {
        each = each->next_;
    }
    return each != nullptr;
}

void job_ledger::close(bool drop_pending) noexcept {
    bool over = false;
    {
        std::lock_guard const guard(lock_);
        closed_ = true;
        drops_pending_ = drops_pending_ || drop_pending;
        over = alive_ == 0;
    }
    if (over) {
        over_.set();
    }
}

void job_ledger::wait_until_ended() {
    cancel_shield const shield;
    over_.wait();
}

job_ledger::counts job_ledger::read() const noexcept {
    std::lock_guard const guard(lock_);
    return {submitted_, completed_.load(memory_order_relaxed), cancelled_, running_};
}

void job_ledger::release() noexcept {
    if (references_.fetch_sub(1, memory_order_acq_rel) == 1) {
        delete this;
    }
}

}  // namespace coir::detail
