// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   run_in_executor(executor, f, args...)   f(args...) on an executor   -> future<R>
//   run_in_executor(f, args...)             on the runtime's default thread pool
//   to_thread(f, args...)                   the same, and waits         -> result
//   set_default_executor(executor)          replaces the default thread pool

#include <coir/core/task/context.hpp>
#include <coir/executors/executor.hpp>
#include <coir/executors/thread_pool.hpp>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace coir {
namespace detail {
/// The default executor of the calling task's runtime, made on first use. Throws no_running_runtime.
std::shared_ptr<executor> default_executor();

/// A callable that has, wherever it is called, the context variables of its maker.
template <class F>
class call_in_context {
public:
    template <class G>
    explicit call_in_context(std::in_place_t, G&& function) : function_(std::forward<G>(function)) {}

    template <class... Args>
        requires(std::is_invocable_v<F, Args...> && !wants_stop_token<F, Args...>)
    decltype(auto) operator()(Args&&... args) && {
        context_scope const scope(std::move(values_));
        return std::invoke(std::move(function_), std::forward<Args>(args)...);
    }

private:
    F function_;
    std::shared_ptr<context_values const> values_ = values_of_caller();
};
}  // namespace detail

/// Runs `f(args...)` on `where` and returns a future, which tasks await and threads wait for; see executor::submit.
template <class F, class... Args>
auto run_in_executor(executor& where, F&& f, Args&&... args) {
    return where.submit(std::forward<F>(f), std::forward<Args>(args)...);
}

/// The same on the default thread pool of the calling task's runtime. Throws no_running_runtime outside of a task.
template <class F, class... Args>
    requires(!std::is_base_of_v<executor, std::remove_cvref_t<F>>)
auto run_in_executor(F&& f, Args&&... args) {
    return detail::default_executor()->submit(std::forward<F>(f), std::forward<Args>(args)...);
}

/// Runs `f(args...)`, which may block, on the default thread pool and waits for its result. Suspends the calling task. `f` has
/// a copy of the caller's context variables: what it sets is gone when it returns. (With run_in_executor() it has none.)
/// Cancelling the caller throws `cancelled` here at once; a call that runs already goes on (asked to stop, if it takes a
/// std::stop_token), and its result is dropped.
template <class F, class... Args>
decltype(auto) to_thread(F&& f, Args&&... args) {
    using call = detail::call_in_context<std::decay_t<F>>;
    return run_in_executor(call(std::in_place, std::forward<F>(f)), std::forward<Args>(args)...).get();
}

/// Makes `where` the default executor of the calling task's runtime, which keeps it until it ends and then shuts it down
/// and waits (not in a runtime that lives in a job of `where`, which would wait for itself). So it does with the one before:
/// jobs that were given to that go on, and nobody waits for them here. Does not suspend. Throws no_running_runtime outside of a
/// task, std::invalid_argument for null.
void set_default_executor(std::shared_ptr<executor> where);

}  // namespace coir
