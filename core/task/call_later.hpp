// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   call_soon(f)       calls f() later, after what is ready now   -> call_handle
//   call_later(d, f)   when d has passed
//   call_at(t, f)      at t
//   call_handle        cancel() as long as the call has not begun

#include <coir/core/base/clock.hpp>
#include <coir/core/task/sleep.hpp>
#include <coir/core/task/task.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace coir {

namespace detail {

// Who comes first: the call, or who cancels it.
class call_start {
public:
    bool try_take() noexcept { return !taken_.exchange(true, std::memory_order_acq_rel); }

    /// By who calls, in the handler of what has come of it instead of a call, or out of it: to on_unhandled_exception, now.
    void report_failure() noexcept;

    std::atomic<bool> cancelled{false};

private:
    std::atomic<bool> taken_{false};
};

}  // namespace detail

/// A call that was asked for. Copyable (to move is to copy); dropping it changes nothing.
class call_handle {
public:
    call_handle(call_handle const&) = default;
    call_handle& operator=(call_handle const&) = default;
    ~call_handle() = default;

    /// Takes the call back. False, and nothing happens, if it has begun, has ended, or was cancelled already. From any
    /// thread. Does not suspend.
    bool cancel() const;
    /// Was it taken back?
    bool cancelled() const noexcept { return start_->cancelled.load(std::memory_order_acquire); }
    /// When it is due; for call_soon() the time of asking.
    clock::time_point when() const noexcept { return when_; }

    // For the library.
    call_handle(std::shared_ptr<detail::call_start> start, task_ref const& caller, clock::time_point when) noexcept
        : start_(std::move(start)), caller_(caller), when_(when) {}

private:
    std::shared_ptr<detail::call_start> start_;
    task_ref caller_;
    clock::time_point when_;
};

namespace detail {

template <class F>
call_handle call_when(std::optional<clock::time_point> due, F&& f) {
    static_assert(std::is_invocable_v<std::decay_t<F>&>,
                  "coir::call_soon, call_later, call_at: f must be callable as f()");
    clock::time_point const when = due.value_or(clock::now());
    auto start = std::make_shared<call_start>();
    auto caller = spawn([due, start, f = std::decay_t<F>(std::forward<F>(f))]() mutable {
        try {
            if (due) {
                sleep_until_deadline(*due);
            }
            if (start->try_take()) {
                std::invoke(f);
            }
        } catch (coir::cancelled const&) {
            throw;
        } catch (...) {
            start->report_failure();  // without waiting for the handle's end
        }
    });
    return call_handle(std::move(start), caller.ref(), when);
}

}  // namespace detail

/// Calls `f()` in a task of its own, which starts after those that are ready now. Its exceptions go to
/// on_unhandled_exception; a call that has not begun when the runtime shuts down is dropped. Does not suspend. Throws
/// no_running_runtime outside of a task, std::bad_alloc.
template <class F>
call_handle call_soon(F&& f) {
    return detail::call_when(std::nullopt, std::forward<F>(f));
}

/// The same at `t`, on any clock, or soon if that has passed. If there is no memory for its timer by the time at which its
/// task starts, f is never called, and on_unhandled_exception gets the std::bad_alloc.
template <class Clock, class Duration, class F>
call_handle call_at(std::chrono::time_point<Clock, Duration> const& t, F&& f) {
    return detail::call_when(detail::to_deadline(t), std::forward<F>(f));
}

/// The same when `d` has passed.
template <class Rep, class Period, class F>
call_handle call_later(std::chrono::duration<Rep, Period> const& d, F&& f) {
    return detail::call_when(detail::deadline_after(clock::now(), d), std::forward<F>(f));
}
// A number is no duration, and refused with a message.
template <class F>
void call_later(detail::plain_number auto number, F&&) {
    detail::refuse_number<decltype(number)>();
}

}  // namespace coir
