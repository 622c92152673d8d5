// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   with_timeout(d, f)     runs f() in the calling task, for at most d
//   with_deadline(t, f)    the same, until t
//   timeout_scope          what f may take: asks for and moves the deadline
//   wait_for(awaitable, d) waits for a task, a future or a callable, for at most d

#include <coir/core/base/clock.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/task/awaitable.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/task.hpp>
#include <coir/core/task/timer_node.hpp>

#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

namespace coir {
namespace detail {
/// The nearest deadline of the time limits within which the calling task runs and that may still end what it does: not of one
/// that has expired and whose cancellation the task has caught. k_never without one, on a plain thread, and
/// where no time limit takes effect: in a shield, and while the stack unwinds.
clock::time_point deadline_in_force() noexcept;
}  // namespace detail

/// The time limit under which the calling code runs. Made by with_timeout and with_deadline; used by their task only.
class timeout_scope {
public:
    /// Moves the deadline. One that has passed takes effect at the next suspension point. Throws invalid_state if the
    /// limit has expired already.
    template <class Clock, class Duration>
    void reschedule(std::chrono::time_point<Clock, Duration> const& t) {
        move_to(detail::to_deadline(t));
    }
    clock::time_point when() const noexcept { return limit_.when; }
    /// Has the deadline passed while the scope ran?
    bool expired() const noexcept { return limit_.expired.load(std::memory_order_acquire); }

    // For the library.
    timeout_scope(clock::time_point deadline, clock::time_point now);
    timeout_scope(timeout_scope const&) = delete;
    timeout_scope& operator=(timeout_scope const&) = delete;
    ~timeout_scope();
    /// The body was left by `cancelled`: true if that was this scope's doing alone.
    bool ends_as_timeout() noexcept;

private:
    struct timer : detail::timer_node {
        timer(detail::task_base& t, detail::time_limit& l) noexcept
            : task(detail::state_ptr<detail::task_base>::share(&t)), limit(&l) {}
        // Kept: the body of a generator that was handed on may outlive the task that entered it.
        detail::state_ptr<detail::task_base> task;
        detail::time_limit* const limit;
    };

    void arm(clock::time_point now);
    void disarm() noexcept;
    void move_to(clock::time_point deadline);
    bool close() noexcept;

    timer timer_;
    detail::time_limit limit_;
    unsigned const requests_at_entry_;
    bool const pending_at_entry_;
    std::uint32_t armed_in_ = 0;  // the number of the runtime in which the timer is; 0: in none
    bool closed_ = false;
};

namespace detail {
// The clock is read once for all.
template <class F>
decltype(auto) with_limit(clock::time_point now, clock::time_point deadline, F&& f) {
    static_assert(std::disjunction_v<std::is_invocable<F, timeout_scope&>, std::is_invocable<F>>,
                  "coir::with_timeout, with_deadline: f must be callable as f() or f(timeout_scope&)");
    timeout_scope scope(deadline, now);
    try {
        if constexpr (std::is_invocable_v<F, timeout_scope&>) {
            return std::invoke(std::forward<F>(f), scope);
        } else if constexpr (std::is_invocable_v<F>) {
            return std::invoke(std::forward<F>(f));
        }
    } catch (cancelled const&) {
        if (scope.ends_as_timeout()) {
            throw timeout_error();
        }
        throw;
    }
}
}  // namespace detail

/// Runs `f()` or `f(timeout_scope&)` in the calling task. Past the deadline the suspension point that it is at unwinds, as
/// by a cancellation, and only that cancellation becomes timeout_error; one from outside wins. A value returned late
/// is returned. Nests. Throws no_running_runtime outside of a task.
template <class Clock, class Duration, class F>
decltype(auto) with_deadline(std::chrono::time_point<Clock, Duration> const& t, F&& f) {
    return detail::with_limit(clock::now(), detail::to_deadline(t), std::forward<F>(f));
}

/// with_deadline, `d` from now.
template <class Rep, class Period, class F>
decltype(auto) with_timeout(std::chrono::duration<Rep, Period> const& d, F&& f) {
    auto const now = clock::now();
    return detail::with_limit(now, detail::deadline_after(now, d), std::forward<F>(f));
}
// A number is no duration, and refused with a message.
template <class F>
void with_timeout(detail::plain_number auto number, F&&) {
    detail::refuse_number<decltype(number)>();
}

namespace detail {
/// In a task, for a wait_for() whose time is over before it begins: cancels `awaited`, which is not done, so that nobody
/// starts it any more, and waits until it has ended. Throws timeout_error if it ended by that cancellation, and `cancelled`
/// instead if the caller was cancelled too.
void cancel_overdue(shared_state_base& awaited);

// A plain thread has no suspension points that a timer could end: it waits, and then cancels by itself.
template <class A>
typename A::value_type wait_for_on_thread(A& awaitable, clock::time_point deadline) {
    if (awaitable.wait_until(deadline) == std::future_status::ready) {
        return awaitable.get();
    }
    awaitable.cancel("timed out");
    try {
        return awaitable.get();
    } catch (cancelled const&) {
        throw timeout_error();
    }
}
}  // namespace detail

/// Waits for a task, a future or a callable (which is spawned) and returns its result. When `d` has passed first, cancels
/// it, waits until it has ended, and throws timeout_error; if it ended with a value all the same, returns that. With
/// d <= 0 what is done gives its result; a callable, or a task that has not started, never starts. Suspends; cancelling the
/// caller cancels what it waits for. Throws std::invalid_argument if `d` is not a number.
template <class A, class Rep, class Period>
    requires(detail::handle<A> || detail::meant_to_be_called<A>)
auto wait_for(A&& awaitable, std::chrono::duration<Rep, Period> const& d) -> detail::awaited_t<A> {
    auto const now = clock::now();
    auto const deadline = detail::deadline_after(now, d);
    if constexpr (!detail::check_awaitable<A>::passed) {
        throw timeout_error();
    } else if constexpr (detail::handle<A>) {
        if (detail::current_task_or_null() == nullptr) {
            return detail::wait_for_on_thread(awaitable, deadline);
        }
        if (d <= std::chrono::duration<Rep, Period>::zero()) {
            if (!awaitable.done()) {
                detail::cancel_overdue(detail::state_of(awaitable));
            }
            return awaitable.get();
        }
        return detail::with_limit(now, deadline, [&]() -> detail::awaited_t<A> { return awaitable.get(); });
    } else {
        if (d <= std::chrono::duration<Rep, Period>::zero()) {
            throw timeout_error();
        }
        // Started within the limit: if there is no memory for that one, nothing has been started.
        return detail::with_limit(now, deadline,
                                  [&]() -> detail::awaited_t<A> { return spawn(std::forward<A>(awaitable)).get(); });
    }
}
// A number is no duration, and refused with a message.
template <class A>
void wait_for(A&&, detail::plain_number auto number) {
    detail::refuse_number<decltype(number)>();
}

}  // namespace coir
