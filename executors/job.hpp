// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   job   one piece of work on its way to a thread: what executors are given
//
// A job, its callable, its result and its place in an executor's queue are one record, the one behind the future: a
// submit allocates nothing else.

#include <coir/core/base/atomic.hpp>
#include <coir/core/task/call_slot.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/outside_work.hpp>
#include <coir/core/task/task.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace coir {
namespace detail {

class job_base;
class job_ledger;

/// Where a job waits to be run, if a cancellation can take it out of there again.
class job_queue {
public:
    /// By whoever has cancelled `work`, which is marked with job_base::k_removing: see there.
    virtual void remove(job_base& work) noexcept = 0;

protected:
    ~job_queue() = default;
};

/// A job as executors know it.
///
/// Roles: the holder (a job object, then a queue, then the thread that runs it), one at a time, with a reference; and
/// whoever cancels the future, at any time.
///
/// place_, for queues that can give a job back:
///   k_queued     set and cleared by the queue under its lock: the job is linked there
///   k_removing   set by a canceller that found k_queued, cleared by it when it needs the queue no more. Meanwhile the queue
///                stays: either the job is still in it, or the thread that has taken the job out waits, without the lock,
///                until the bit is gone.
/// Release and acquire of each change pair with each other: what the queue wrote before k_queued is seen by the canceller.
class job_base {
public:
    job_base(job_base const&) = delete;
    job_base& operator=(job_base const&) = delete;

    /// By the holder, once: performs the job, unless it was cancelled, and lets go of it.
    /// False if it was cancelled.
    bool run() noexcept;
    /// Instead of run(): `reason` goes into the future, if that has no result yet.
    void give_up(std::exception_ptr reason) noexcept;
    virtual bool has_ended() const noexcept = 0;
    std::stop_token stop_token() const noexcept { return stop_.get_token(); }

    // --- for queues; under their lock ------------------------------------------------------------------------------
    void enter(job_queue& queue, atomic<std::uint64_t>& completed) noexcept {
        queue_ = &queue;
        completed_ = &completed;
        place_.store(k_queued, memory_order_release);
    }
    /// False if it is not linked there any more. `being_removed`: see await_removal().
    bool leave(bool& being_removed) noexcept {
        std::uint8_t const seen = place_.fetch_and(static_cast<std::uint8_t>(~k_queued), memory_order_acq_rel);
        being_removed = (seen & k_removing) != 0;
        return (seen & k_queued) != 0;
    }
    /// By whoever took a job out that was being removed, without the lock.
    void await_removal() const noexcept;
    void end_removal() noexcept { place_.fetch_and(static_cast<std::uint8_t>(~k_removing), memory_order_release); }
    job_base* next = nullptr;
    job_base* previous = nullptr;

    /// It goes to a thread that looks for it on another core: whoever waits for it may find its end by looking for so long.
    void begins_at_once(std::chrono::nanoseconds worth_looking_for) noexcept {
        given_at_ = std::chrono::steady_clock::now();
        worth_looking_for_.store(worth_looking_for, std::memory_order_relaxed);
    }
    /// When it was given to such a thread; else, the clock's beginning.
    std::chrono::steady_clock::time_point given_at() const noexcept { return given_at_; }

    /// Raised before its future has the result.
    void count_completion(atomic<std::uint64_t>& completed) noexcept { completed_ = &completed; }

    /// It counts as work outside of the runtime whose task has made it, from then on. Otherwise: not before it is begun again,
    /// for the runtime of the caller.
    void begin_outside_work() noexcept { outside_.emplace(); }
    void end_outside_work() noexcept { outside_.reset(); }

    // --- for executors without accounts of their own ---------------------------------------------------------------
    void count_in(job_ledger& ledger) noexcept { ledger_ = &ledger; }

protected:
    explicit job_base(std::stop_source stop) noexcept : stop_(std::move(stop)) {}
    ~job_base() = default;

    /// Calls the callable and stores what becomes of it.
    virtual bool perform() noexcept = 0;
    virtual void fail(std::exception_ptr reason) noexcept = 0;
    /// Destroys what is left of the callable and drops the holder's reference.
    virtual void let_go() noexcept = 0;

    /// The future was cancelled: takes the job out of its queue, or asks a running one to stop.
    void after_cancellation() noexcept;
    /// Somebody is about to wait for its end: looks for it for a moment, if it may come at once and nobody minds.
    void look_for_its_end() const noexcept;
    void about_to_complete() noexcept {
        if (completed_ != nullptr) {
            completed_->fetch_add(1, memory_order_relaxed);
        }
    }

private:
    static constexpr std::uint8_t k_queued = 1;
    static constexpr std::uint8_t k_removing = 2;

    void end_of_holding(bool ran) noexcept;

    job_queue* queue_ = nullptr;
    atomic<std::uint64_t>* completed_ = nullptr;  // a counter
    job_ledger* ledger_ = nullptr;                // with a reference
    std::chrono::steady_clock::time_point given_at_{};
    // A job that one executor hands on to another may have somebody who waits by then.
    std::atomic<std::chrono::nanoseconds> worth_looking_for_{std::chrono::nanoseconds::zero()};
    std::stop_source stop_;
    std::optional<outside_work> outside_{std::in_place};
    atomic<std::uint8_t> place_{0};
};

/// One line on stderr about an exception that not even a future takes: the job was cancelled before.
void report_lost(std::exception_ptr const& error) noexcept;

template <class R, class Call>
class job_record final : public future_state<R>, public job_base {
public:
    template <class... Parts>
    explicit job_record(std::stop_source stop, std::uint32_t references, Parts&&... parts)
        : job_base(std::move(stop)), call_(std::in_place, std::forward<Parts>(parts)...) {
        this->publish(references);
    }

    bool request_cancel(cancel_reason reason) noexcept override {
        // Whoever waits may let go of it as soon as it is cancelled.
        auto const keep = state_ptr<shared_state_base>::share(this);
        if (!future_state<R>::request_cancel(std::move(reason))) {
            return false;
        }
        after_cancellation();
        return true;
    }
    bool has_ended() const noexcept override { return this->is_done(); }
    void before_waiting() noexcept override { look_for_its_end(); }

private:
    ~job_record() override = default;

    // The callable, with all that it captured, ends before anybody sees the result.
    void drop_call() noexcept {
        if (std::exchange(has_call_, false)) {
            call_.end();
        }
    }

    bool perform() noexcept override {
        if (this->is_done()) {
            return false;
        }
        bool counted = false;
        auto const end_of_call = [this, &counted] {
            drop_call();
            if (!std::exchange(counted, true)) {
                about_to_complete();
            }
        };
        try {
            if constexpr (std::is_void_v<R>) {
                call_.get()();
                end_of_call();
                this->try_set_value();
            } else {
                decltype(auto) value = call_.get()();
                end_of_call();
                this->try_set_value(std::forward<R>(value));
            }
        } catch (...) {
            end_of_call();
            if (this->start_completion()) {
                this->set_current_exception();
                this->complete();
            } else {
                report_unless_cancelled();
            }
        }
        return true;
    }

    static void report_unless_cancelled() noexcept {
        try {
            throw;
        } catch (cancelled const&) {
            return;  // what the canceller wanted
        } catch (...) {
            report_lost(std::current_exception());
        }
    }

    void fail(std::exception_ptr reason) noexcept override {
        drop_call();
        if (!this->start_completion()) {
            return;
        }
        try {
            std::rethrow_exception(std::move(reason));
        } catch (...) {
            this->set_current_exception();
        }
        this->complete();
    }

    void let_go() noexcept override {
        drop_call();
        end_outside_work();
        this->release_reference();
    }

    bool has_call_ = true;
    call_slot<Call> call_;
};

template <class R, class Call, class... Parts>
job_record<R, Call>* make_job(std::stop_source stop, std::uint32_t references, Parts&&... parts) {
    static_assert(sizeof(job_record<R, Call>) <= k_largest_record);
    return new job_record<R, Call>(std::move(stop), references, std::forward<Parts>(parts)...);
}

/// Does it have just one operator(), and no template? Of such a one it can be asked whether it could take more arguments: a
/// template that could would be compiled for them, and might not.
template <class F>
concept has_one_call_operator = requires {
    &F::operator();
};

/// Does `f` take a std::stop_token before these arguments? If it could be called without, only if it says so, by a
/// token with a default: a template or overload gets what it was given, no more.
template <class F, class... Args>
inline constexpr bool wants_stop_token = [] {
    if constexpr (std::is_invocable_v<F, Args...> && !has_one_call_operator<std::remove_cvref_t<F>>) {
        return false;
    } else {
        return std::is_invocable_v<F, std::stop_token, Args...>;
    }
}();
template <class F, class... Args>
inline constexpr bool takes_stop_token = wants_stop_token<std::decay_t<F>, std::decay_t<Args>...>;

template <bool WithToken, class F, class... Args>
struct submitted {
    using call = bound_call<std::decay_t<F>, std::decay_t<Args>...>;
    using result = spawn_result_t<F, Args...>;
};
template <class F, class... Args>
struct submitted<true, F, Args...> {
    using call = bound_call<std::decay_t<F>, std::stop_token, std::decay_t<Args>...>;
    using result = spawn_result_t<F, std::stop_token, Args...>;
};

template <class F, class... Args>
using submit_result_t = typename submitted<takes_stop_token<F, Args...>, F, Args...>::result;

template <bool WithToken, class F, class... Args>
struct check_submitted : check_call<F, Args...> {};
template <class F, class... Args>
struct check_submitted<true, F, Args...> : check_call<F, std::stop_token, Args...> {};

}  // namespace detail

/// One piece of work on its way to a thread. Move-only. Whoever holds it runs it, once; destroying it unrun completes its
/// future with broken_promise. Nothing here suspends, except for what the job itself does.
class job {
public:
    /// A job that calls `f()` and that nobody waits for: an exception is reported as one that nobody looks at.
    template <class F>
        requires(!std::is_same_v<F, job> && std::is_invocable_v<F&>)
    job(F f) : work_(detail::make_job<void, discarding<F>>(std::stop_source(std::nostopstate), 1, std::move(f))) {}
    /// For the library.
    explicit job(detail::job_base* work) noexcept : work_(work) {}

    job(job&& other) noexcept : work_(std::exchange(other.work_, nullptr)) {}
    job& operator=(job&& other) noexcept {
        job moved(std::move(other));
        std::swap(work_, moved.work_);
        return *this;
    }
    ~job() {
        if (work_ != nullptr) {
            work_->give_up(detail::broken_promise_error());
        }
    }

    /// Runs it, unless it was cancelled meanwhile. Throws nothing: the outcome goes into the future. Afterwards this is empty.
    void run() noexcept {
        if (auto* const work = std::exchange(work_, nullptr)) {
            work->run();
        }
    }
    void operator()() noexcept { run(); }

    /// Instead of run(): `reason` becomes the future's result.
    void abandon(std::exception_ptr reason) noexcept {
        if (auto* const work = std::exchange(work_, nullptr)) {
            work->give_up(std::move(reason));
        }
    }

    /// Has it been cancelled, so that there is nothing to run any more?
    bool is_cancelled() const noexcept { return work_ != nullptr && work_->has_ended(); }
    /// Requested when the future is cancelled; only for executors that ask for it (executor::with_stop_tokens) and for
    /// functions that take one.
    std::stop_token stop_token() const noexcept { return work_ != nullptr ? work_->stop_token() : std::stop_token(); }
    explicit operator bool() const noexcept { return work_ != nullptr; }

    // For the library.
    void count_completion(detail::atomic<std::uint64_t>& completed) noexcept { work_->count_completion(completed); }
    void begin_outside_work() noexcept { work_->begin_outside_work(); }
    void end_outside_work() noexcept { work_->end_outside_work(); }
    /// The caller takes it over.
    detail::job_base* release() noexcept { return std::exchange(work_, nullptr); }

private:
    template <class F>
    struct discarding {
        explicit discarding(F&& f) : function(std::move(f)) {}
        void operator()() { static_cast<void>(std::invoke(function)); }
        F function;
    };

    detail::job_base* work_;
};

}  // namespace coir
