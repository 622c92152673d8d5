// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   executor   runs jobs somewhere else and hands their results back as futures
//              submit(f, args...) -> future<R>
//              map(f, range, {.buffer_size}) -> the results, in order, as they are asked for

#include <coir/core/base/errors.hpp>
#include <coir/core/task/future.hpp>
#include <coir/executors/job.hpp>

#include <cstddef>
#include <cstdint>
#include <stop_token>
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

/// How map() works.
struct map_options {
    /// How many results may be under way or waiting to be taken. 0: all of them, and the range is read at once.
    std::size_t buffer_size = 0;
};

/// An executor's counters.
struct executor_stats {
    std::size_t threads = 0;       ///< that exist now
    std::size_t idle_threads = 0;  ///< of them waiting for a job
    std::size_t queued = 0;        ///< jobs that have not started
    std::uint64_t submitted = 0;   ///< jobs accepted since the start
    std::uint64_t completed = 0;   ///< jobs that have run
    std::uint64_t cancelled = 0;   ///< jobs that were cancelled, or given up, before they started
    std::uint64_t rejected = 0;    ///< jobs refused because the queue was full
    std::size_t waiting = 0;       ///< callers that wait until the queue has room
};

template <class R>
class mapped;

/// Where jobs run. All members may be called from tasks and plain threads alike.
///
/// To write one, override execute(): hand the job to a thread that runs it. What was submitted is accounted for here, so that
/// shutdown() and stats() work; not so a job that somebody gives to such an execute() directly. An executor whose queue is one
/// of its own members calls shutdown() in its destructor.
class executor {
public:
    executor(executor const&) = delete;
    executor& operator=(executor const&) = delete;
    /// Shuts down and waits for the jobs.
    virtual ~executor();

    /// Takes a job over. May suspend if there is a bound on what may wait. Throws executor_shut_down, std::bad_alloc and
    /// what the executor says; the job then does not run.
    virtual void execute(job work) = 0;

    /// Runs `f(args...)` on the executor, decayed and moved as std::thread does; its result or exception comes through the
    /// future. If `f` takes a std::stop_token before its arguments, it gets one, also if that has a default; but not a template
    /// or overload that could do without, such as `[](auto... all)`. Cancelling the future takes a job that has not started
    /// out of the queue; one that runs is asked to stop through its token, and its result is dropped. An exception that
    /// nobody ever looks at is reported as that of any future. Suspends only if execute() does. Throws executor_shut_down.
    template <class F, class... Args>
    auto submit(F&& f, Args&&... args) -> future<detail::submit_result_t<F, Args...>> {
        constexpr bool with_token = detail::takes_stop_token<F, Args...>;
        if constexpr (!detail::check_submitted<with_token, F, Args...>::passed) {
            return {};
        } else {
            return submit_checked<with_token>(std::forward<F>(f), std::forward<Args>(args)...);
        }
    }

    /// The results of `f(item)` for each item of a range, in the order of the items, as an input range; `f` is shared by the
    /// calls. As in submit(), an `f` that takes a std::stop_token before the item gets one. Reading a result waits for it,
    /// and its exception is thrown by that read: the next one can be read all the same. Dropping the range cancels what has
    /// not been read. With a buffer_size the range is read as results are taken; then this executor, and a range that is an
    /// lvalue, must outlive it. Throws what submit() throws.
    template <class F, class Range>
    auto map(F&& f, Range&& range, map_options options = {});

    /// Accepts no more jobs. Blocks (suspends a task, uncancellably) until they have ended, if asked to. Idempotent. In a
    /// job of this very executor it cannot wait: invalid_state. A task or thread that the job has started is not known for
    /// it: if the job waits for that, both wait for ever.
    virtual void shutdown(shutdown_options options = {});

    virtual executor_stats stats() const;

protected:
    executor();

    struct with_stop_tokens {};
    /// For an executor that looks at job::stop_token().
    explicit executor(with_stop_tokens);

    struct own_accounting {};
    /// For an executor that overrides shutdown() and stats(), and shuts down in its destructor.
    explicit executor(own_accounting) noexcept {}
    /// Such a one that looks at job::stop_token().
    executor(own_accounting, with_stop_tokens) noexcept : gives_stop_token_(true) {}

    /// Is this called by a job that this executor runs?
    bool runs_caller() const noexcept;

private:
    template <bool with_token, class F, class... Args>
    auto submit_checked(F&& f, Args&&... args) -> future<detail::submit_result_t<F, Args...>> {
        using types = detail::submitted<with_token, F, Args...>;
        using result = typename types::result;
        using call = typename types::call;
        std::stop_source stop(std::nostopstate);
        if (with_token || gives_stop_token_) {
            stop = std::stop_source();
        }
        detail::job_record<result, call>* record = nullptr;
        if constexpr (with_token) {
            record = detail::make_job<result, call>(stop, 2, std::forward<F>(f), stop.get_token(),
                                                    std::forward<Args>(args)...);
        } else {
            record =
                detail::make_job<result, call>(std::move(stop), 2, std::forward<F>(f), std::forward<Args>(args)...);
        }
        future<result> outcome(detail::state_ptr<detail::future_state<result>>::adopt(record));
        try {
            accept(job(static_cast<detail::job_base*>(record)));
        } catch (...) {
            record->error();  // the caller gets the exception itself
            throw;
        }
        return outcome;
    }

    void accept(job work);

    detail::job_ledger* ledger_ = nullptr;
    bool gives_stop_token_ = false;
};

}  // namespace coir

#include <coir/executors/map.hpp>
