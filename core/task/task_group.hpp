// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   task_group   tasks that live no longer than it; the first failure cancels the others
//   scope(f)     runs f(group) and waits for what it spawned; a failure cancels the body too

#include <coir/core/base/errors.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/task.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace coir {

/// Tasks that belong together. The first one to fail cancels the others; cancelled ones are no failures. spawn() and
/// cancel() may be called from any task, the children included; wait() and the destructor from the owner.
class task_group {
public:
    task_group() = default;
    task_group(task_group const&) = delete;
    task_group& operator=(task_group const&) = delete;

    /// Cancels what still runs and waits for it (suspends; shielded). Failures that wait() has not thrown go to
    /// on_unhandled_exception.
    ~task_group();

    /// Starts f(args...) as coir::spawn does. In a group that was cancelled or has failed, the task never runs.
    template <class F, class... Args>
    auto spawn(F&& f, Args&&... args) -> task<detail::spawn_result_t<F, Args...>> {
        return start(nullptr, std::forward<F>(f), std::forward<Args>(args)...);
    }
    template <class F, class... Args>
    auto spawn(task_options options, F&& f, Args&&... args) -> task<detail::spawn_result_t<F, Args...>> {
        return start(&options, std::forward<F>(f), std::forward<Args>(args)...);
    }

    /// Waits until all children have ended, those that are spawned meanwhile too. Throws their failures: one as itself,
    /// several as exception_group. Suspends. Cancelling the waiting task cancels the children, waits for them, and throws
    /// their failures or else `cancelled`. The group can be used again afterwards. Without memory for a list of the failures:
    /// std::bad_alloc, and they can be waited for again.
    void wait();

    /// Cancels every child, and whatever is spawned until the next wait() has ended. Does not suspend. Throws std::bad_alloc,
    /// and then has cancelled nothing.
    void cancel();

private:
    template <class F>
    friend auto scope(F&& f) -> detail::call_result_t<F, task_group&>;

    using child_list = std::vector<detail::state_ptr<detail::task_base>>;

    template <class F, class... Args>
    auto start(task_options* options, F&& f, Args&&... args) {
        if constexpr (!detail::check_call<F, Args...>::passed) {
            return task<detail::spawn_result_t<F, Args...>>();
        } else {
            using call = detail::bound_call<std::decay_t<F>, std::decay_t<Args>...>;
            return detail::spawn_introduced(
                nullptr, options, [this](detail::task_base& child) { add(child); },
                [body = call(std::forward<F>(f), std::forward<Args>(args)...),
                 watch = failure_watch{*this}]() mutable -> decltype(auto) {
                    watch.begin();
                    try {
                        return body();
                    } catch (cancelled const&) {
                        watch.end();
                        throw;
                    }
                });
        }
    }

    // Part of a child's callable, which is destroyed when the result is kept, or by the exception that was thrown instead: by the
    // call, or because the result could not be kept.
    struct failure_watch {
        task_group& group;
        int exceptions_before = k_off;

        static constexpr int k_off = std::numeric_limits<int>::max();

        void begin() noexcept { exceptions_before = std::uncaught_exceptions(); }
        void end() noexcept { exceptions_before = k_off; }
        ~failure_watch() {
            if (std::uncaught_exceptions() > exceptions_before) {
                group.on_failure();
            }
        }
    };

    void add(detail::task_base& child);
    void on_failure() noexcept;
    /// As cancel(), unless the children have been cancelled already, by that or by a failure.
    void abort() noexcept;
    bool await_children(bool aborted = false);
    enum class awaited : unsigned char { nobody, somebody, interrupted };
    awaited await_some(bool aborted);
    void copy_children(child_list& to, bool& mark);
    child_list children_without_failing() noexcept;
    std::exception_ptr take_failures(std::exception_ptr body_error);
    void forget(child_list const& known);
    bool has_children() noexcept;
    std::exception_ptr first_failure() noexcept;
    void begin_scope();
    void end_scope(std::exception_ptr body_error, bool body_was_cancelled);

    detail::spin_mutex lock_;  // guards, up to the next comment:
    child_list children_;
    child_list spare_;  // empty, with room for all of them: for the one that ends them, who may not fail
    std::size_t prune_at_ = 64;
    bool failed_ = false;
    bool cancelled_ = false;
    // The task whose body the group interrupts when a child fails, while the scope is open.
    detail::state_ptr<detail::task_base> host_;
    bool interrupted_host_ = false;

    // The owner's:
    unsigned requests_at_entry_ = 0;
    bool pending_at_entry_ = false;
};

/// Calls `f(group)` in the calling task, waits for every task of the group, and returns f's result. When a child fails,
/// its siblings and the body are cancelled; when the body fails, the children are. All failures are collected, the body's
/// included: one is rethrown as itself, several as exception_group. A cancellation from outside cancels everything; if
/// there are failures too, those are thrown and the cancellation is delivered at the next suspension point. Throws
/// no_running_runtime outside of a task.
template <class F>
auto scope(F&& f) -> detail::call_result_t<F, task_group&> {
    constexpr bool callable = std::is_invocable_v<F, task_group&> && !detail::returns_rvalue_reference<F, task_group&>;
    static_assert(callable, "coir::scope: f must be callable as f(task_group&), and return no rvalue reference");
    using result = detail::call_result_t<F, task_group&>;
    task_group group;
    group.begin_scope();
    std::exception_ptr error;
    bool was_cancelled = false;
    detail::result_slot<result> value;
    try {
        if constexpr (!callable) {
        } else if constexpr (std::is_void_v<result>) {
            std::invoke(std::forward<F>(f), group);
            value.emplace();
        } else {
            value.emplace(std::invoke(std::forward<F>(f), group));
        }
    } catch (cancelled const&) {
        error = std::current_exception();
        was_cancelled = true;
    } catch (...) {
        error = std::current_exception();
    }
    group.end_scope(std::move(error), was_cancelled);
    return value.take();
}

}  // namespace coir
