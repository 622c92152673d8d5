// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   executor   runs jobs somewhere else and hands their results back as futures

#include <coir/core/base/errors.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/outside_work.hpp>
#include <coir/core/task/task.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace coir {

/// How an executor shuts down.
struct shutdown_options {
    /// Wait until every job has ended.
    bool wait = true;
    /// Cancel the jobs that have not started.
    bool cancel_pending = false;
};

/// An executor's counters.
struct executor_stats {
    std::size_t threads = 0;       ///< that exist now
    std::size_t idle_threads = 0;  ///< of them waiting for a job
    std::size_t queued = 0;        ///< jobs that have not started
    std::uint64_t submitted = 0;   ///< jobs accepted since the start
    std::uint64_t completed = 0;   ///< jobs that have run
    std::uint64_t cancelled = 0;   ///< jobs that were cancelled before they started
};

/// One piece of work on its way to a thread. Move-only.
class job {
public:
    /// What a job does, and what becomes of it when it will not run.
    struct work {
        virtual ~work() = default;
        /// Once. Does not throw: the outcome goes into the job's future.
        virtual void run() noexcept = 0;
        /// Somebody has cancelled it: nothing to do any more.
        virtual bool is_cancelled() const noexcept = 0;
        /// Instead of run(): the executor gives the job up.
        virtual void abandon(std::exception_ptr reason) noexcept = 0;
    };

    explicit job(std::unique_ptr<work> w) noexcept : work_(std::move(w)) {}

    void run() noexcept { work_->run(); }
    bool is_cancelled() const noexcept { return work_->is_cancelled(); }
    void abandon(std::exception_ptr reason) noexcept { work_->abandon(std::move(reason)); }

private:
    std::unique_ptr<work> work_;
};

namespace detail {

template <class R, class Call>
class promised_work final : public job::work {
public:
    promised_work(state_ptr<future_state<R>> state, Call call) : state_(std::move(state)), call_(std::move(call)) {}
    ~promised_work() override { abandon(std::make_exception_ptr(broken_promise())); }

    void run() noexcept override {
        if (state_->is_done()) {
            return;
        }
        try {
            if constexpr (std::is_void_v<R>) {
                call_();
                state_->try_set_value();
            } else {
                state_->try_set_value(call_());
            }
        } catch (cancelled const&) {
            state_->request_cancel({});
        } catch (...) {
            state_->try_set_exception(std::current_exception());
        }
    }
    bool is_cancelled() const noexcept override { return state_->is_done(); }
    void abandon(std::exception_ptr reason) noexcept override { state_->try_set_exception(std::move(reason)); }

private:
    state_ptr<future_state<R>> state_;
    Call call_;
    outside_work outside_;
};

}  // namespace detail

/// Where jobs run. All members may be called from tasks and plain threads alike.
class executor {
public:
    executor() = default;
    executor(executor const&) = delete;
    executor& operator=(executor const&) = delete;
    virtual ~executor() = default;

    /// Takes a job over. Throws executor_shut_down, std::bad_alloc; the job then does not run.
    virtual void execute(job work) = 0;

    /// Runs `f(args...)` on the executor, decayed and moved as std::thread does; its result or exception comes through the
    /// future. Cancelling the future takes a job that has not started out of the queue; of one that runs, the result is
    /// dropped. Does not suspend. Throws executor_shut_down.
    template <class F, class... Args>
    auto submit(F&& f, Args&&... args) -> future<detail::spawn_result_t<F, Args...>> {
        static_assert(
            detail::spawnable<F, Args...>,
            "executor::submit: the first argument must be callable with the others, which are decayed and moved");
        using result = detail::spawn_result_t<F, Args...>;
        using call = detail::bound_call<std::decay_t<F>, std::decay_t<Args>...>;
        auto state = detail::state_ptr<detail::future_state<result>>::adopt(new detail::future_state<result>(1));
        execute(job(std::make_unique<detail::promised_work<result, call>>(
            state, call(std::forward<F>(f), std::forward<Args>(args)...))));
        return future<result>(std::move(state));
    }

    /// Accepts no more jobs. Blocks (suspends a task) until they have ended, if asked to. Idempotent.
    virtual void shutdown(shutdown_options options = {}) = 0;

    virtual executor_stats stats() const = 0;
};

}  // namespace coir
