// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   process_pool_executor              functions in worker processes, whose crashes stay there
//   run_in_executor<&f>(pool, args...) the same as pool.submit<&f>(args...)

#include <coir/core/task/future.hpp>
#include <coir/executors/executor.hpp>
#include <coir/executors/process/errors.hpp>
#include <coir/executors/process/job.hpp>
#include <coir/executors/process/options.hpp>
#include <coir/executors/process/signature.hpp>

#include <cstddef>
#include <memory>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>

namespace coir {

class process_pool_executor;

namespace detail {

template <auto Function, class Range>
using process_map_result =
    typename remote_function_for<Function, std::ranges::range_reference_t<std::remove_reference_t<Range>&>>::value_type;

/// The items of process_pool_executor::map that have not been submitted yet.
template <auto Function, class Range>
class process_map_source final : public mapped<process_map_result<Function, Range>>::source {
public:
    template <class Items>
    process_map_source(process_pool_executor& pool, Items&& items)
        : pool_(&pool), items_(std::forward<Items>(items)), at_(std::ranges::begin(items_)) {}

    bool exhausted() override { return at_ == std::ranges::end(items_); }
    bool may_be_repeated() const noexcept override { return true; }
    future<process_map_result<Function, Range>> submit_next() override;
    void go_on() override { ++at_; }

private:
    process_pool_executor* pool_;
    Range items_;  // a reference to what was given as an lvalue
    std::ranges::iterator_t<std::remove_reference_t<Range>> at_;
};

}  // namespace detail

/// Runs functions in worker processes, which are started on demand by executing the program's own image again: main() has
/// to begin with coir::run(argc, argv, f) or coir::serve_if_worker(argc, argv).
///
/// A job is a function (or captureless lambda) that stands as a template argument: `pool.submit<&f>(1, "x")`. Arguments
/// and results are values that cereal can serialise; std::string_view and std::span<const std::byte> parameters are
/// possible, and come in shared memory when they are large. What a job throws comes back as the same type if it is
/// one of the standard library's exceptions, or one of coir's own that any code may meet (cancelled, timeout_error,
/// broken_promise, invalid_state, channel_closed, executor_shut_down, broken_executor, worker_start_error,
/// no_running_runtime), else as remote_exception.
///
/// A job runs on the main thread of a worker, and no worker has more than one. If the worker dies, its job fails with
/// worker_died, another worker takes its place, and all other jobs go on. All members may be called from tasks and plain
/// threads alike. Destruction is shutdown().
///
/// A job that has begun is not run again: it may have had effects, so whether to submit it anew after worker_died is the
/// caller's to decide. A job whose worker died before it had read it goes to another one, ahead of those that wait, up to three
/// times; then it fails with worker_died, too. Whether it was read is told by the kernel's account of the worker's socket and
/// by memory that the worker can write to: true of workers that run ordinary code, however they crash. But code that has taken
/// over its worker (an exploit, a stray write to that memory) can make a job that ran there look unread, so that it runs
/// again, up to four times in all.
class process_pool_executor {
public:
    /// Starts no worker yet. Throws worker_start_error in a program that did not begin as said above,
    /// std::invalid_argument for more than 1,024 workers, std::system_error when the process is out of something.
    explicit process_pool_executor(process_pool_options options = {});
    process_pool_executor(process_pool_executor const&) = delete;
    process_pool_executor& operator=(process_pool_executor const&) = delete;
    ~process_pool_executor();

    /// Runs `Function(args...)` in a worker. The arguments are serialised before the call returns. Cancelling the future
    /// takes a job that waits out of the queue, and kills the worker of one that runs.
    ///
    /// The nearest deadline of the time limits (with_timeout, with_deadline) in which a task submits is the job's too, whatever
    /// becomes of the future and of the task: when it passes, a job that waits leaves the queue, and one that runs is killed
    /// with its worker; the outcome is timeout_error. It is that of the moment of the submission: a later reschedule() does
    /// not move it. Not so within a cancel_shield, and not with virtual time, which stands still while a job is out.
    ///
    /// Does not suspend. Throws executor_shut_down, broken_executor, std::length_error for a message of more than 1 GiB (which
    /// string_views and spans of 32 KiB and more are no part of), std::system_error when there is no descriptor or room for
    /// shared memory, and what serialising throws. When no worker can be started because the
    /// program has no descriptor or process left, the jobs that wait fail with worker_start_error; later ones try again.
    template <auto Function, class... Args>
    auto submit(Args&&... args) -> future<typename detail::remote_function_for<Function, Args...>::value_type> {
        using function = detail::remote_function_for<Function, Args...>;
        using record = detail::process_job<typename function::value_type>;
        // Never destroyed: destructors of objects with static storage duration may submit.
        static std::string const& name = *new std::string(name_of(&function::thunk));
        auto state = detail::state_ptr<record>::adopt(new record);
        state->frame = begin_frame(name);
        detail::wire_output out(*state->frame);
        function::save_arguments(out, std::forward<Args>(args)...);
        submit_job(*state, out);
        return future<typename function::value_type>(
            detail::state_ptr<detail::future_state<typename function::value_type>>::adopt(state.detach()));
    }

    /// As with other executors it cannot be done here, and the compiler says so.
    template <class F, class... Args>
    auto submit(F const&, Args const&...) {
        static_assert(std::is_void_v<F>,  // never
                      "coir::process_pool_executor: the function stands as a template argument: submit<&f>(args...)");
        return future<void>();
    }

    /// Runs `Function(item)` for each item of a range; the results come in the order of the items. As executor::map(): see
    /// there for the buffer, for exceptions and for what lives how long.
    template <auto Function, class Range>
    auto map(Range&& range, map_options options = {}) {
        static_assert(std::ranges::input_range<Range>,
                      "coir::process_pool_executor: the argument of map must be a range");
        if constexpr (std::ranges::input_range<Range>) {
            return mapped<detail::process_map_result<Function, Range>>(
                std::make_unique<detail::process_map_source<Function, Range>>(*this, std::forward<Range>(range)),
                options.buffer_size);
        }
    }

    /// Accepts no more jobs. Suspends (blocks a thread) until they have ended and all workers are gone, if asked to.
    /// Idempotent.
    void shutdown(shutdown_options options = {});

    process_pool_stats stats() const;

private:
    static std::string name_of(detail::remote_thunk thunk);
    static std::shared_ptr<detail::byte_buffer> begin_frame(std::string const& name);
    void submit_job(detail::remote_job& job, detail::wire_output const& arguments);

    std::shared_ptr<detail::process_pool> pool_;
};

/// pool.submit<Function>(args...)
template <auto Function, class... Args>
auto run_in_executor(process_pool_executor& where, Args&&... args) {
    return where.submit<Function>(std::forward<Args>(args)...);
}

template <auto Function, class Range>
future<detail::process_map_result<Function, Range>> detail::process_map_source<Function, Range>::submit_next() {
    return pool_->template submit<Function>(*at_);
}

}  // namespace coir
