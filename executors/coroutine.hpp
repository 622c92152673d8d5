// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   co_await t              in a C++20 coroutine, for a coir task, future or shared_future
//   await(awaitable)        in a task, for anything that a C++20 coroutine could co_await   -> its result

#include <coir/core/task/future.hpp>
#include <coir/core/task/outside_work.hpp>
#include <coir/core/task/task.hpp>
#include <coir/executors/job.hpp>
#include <coir/executors/waiting_job.hpp>

#include <coroutine>
#include <type_traits>
#include <utility>

namespace coir {
namespace detail {

template <class State>
class state_awaiter {
public:
    explicit state_awaiter(state_ptr<State> state) : state_(std::move(state)) {
        if (!state_) {
            throw_no_state("co_await: the handle is empty");
        }
    }
    state_awaiter(state_awaiter const&) = delete;
    state_awaiter& operator=(state_awaiter const&) = delete;
    ~state_awaiter() { resumption_.leave(*state_); }

    bool await_ready() const noexcept { return state_->is_done(); }
    bool await_suspend(std::coroutine_handle<> who) {
        return resumption_.wait_for(*state_, job([who] { who.resume(); }));
    }

protected:
    State& completed() {
        state_->rethrow_error();
        if (!state_->result.has_value()) {
            throw_no_state("co_await: the value has been taken already");
        }
        return *state_;
    }

private:
    state_ptr<State> state_;
    waiting_job resumption_;
};

template <class State, class T>
struct taking_awaiter : state_awaiter<State> {
    using state_awaiter<State>::state_awaiter;
    T await_resume() { return this->completed().result.take(); }
};

template <class State, class T>
struct sharing_awaiter : state_awaiter<State> {
    using state_awaiter<State>::state_awaiter;
    decltype(auto) await_resume() { return this->completed().result.peek(); }
};

// The coroutine in which await() co_awaits. It belongs to itself: it ends with its body.
struct awaiting_coroutine {
    struct promise_type {
        awaiting_coroutine get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }  // the body catches everything
    };
};

template <class Awaitable>
decltype(auto) awaiter_of(Awaitable&& awaitable) {
    if constexpr (requires { std::forward<Awaitable>(awaitable).operator co_await(); }) {
        return std::forward<Awaitable>(awaitable).operator co_await();
    } else if constexpr (requires { operator co_await(std::forward<Awaitable>(awaitable)); }) {
        return operator co_await(std::forward<Awaitable>(awaitable));
    } else {
        return std::forward<Awaitable>(awaitable);
    }
}

template <class Awaitable>
using await_result_t =
    decltype(std::declval<std::add_lvalue_reference_t<decltype(awaiter_of(std::declval<Awaitable>()))>>()
                 .await_resume());

// An awaiter that lies elsewhere, as a temporary: GCC 12 copies an lvalue that it is to co_await.
template <class Awaiter>
struct forwarding_awaiter {
    Awaiter& inner;
    decltype(auto) await_ready() { return inner.await_ready(); }
    decltype(auto) await_suspend(std::coroutine_handle<> who) { return inner.await_suspend(who); }
    decltype(auto) await_resume() { return inner.await_resume(); }
};

template <class Awaitable>
decltype(auto) temporary_awaiter_of(Awaitable&& awaitable) {
    using awaiter = decltype(awaiter_of(std::forward<Awaitable>(awaitable)));
    if constexpr (std::is_reference_v<awaiter>) {
        awaiter&& inner = awaiter_of(std::forward<Awaitable>(awaitable));
        return forwarding_awaiter<std::remove_reference_t<awaiter>>{inner};
    } else {
        return awaiter_of(std::forward<Awaitable>(awaitable));
    }
}

// What await() returns: a reference into the awaitable, which its caller keeps, or a value.
template <class R>
using future_result_t = std::conditional_t<std::is_lvalue_reference_v<R>, R, std::remove_cvref_t<R>>;

// The frame refers to the caller's awaitable only until the result is there. If it is destroyed instead of resumed, its
// promise breaks.
template <class R, class Awaitable>
awaiting_coroutine co_await_into(promise<R> outcome, Awaitable&& awaitable) {
    outside_work const outside;
    try {
        if constexpr (std::is_void_v<R>) {
            co_await temporary_awaiter_of(std::forward<Awaitable>(awaitable));
            outcome.try_set_value();
        } else {
            // No decltype(auto): the result may lie in the awaiter, which ends with this expression.
            R value = co_await temporary_awaiter_of(std::forward<Awaitable>(awaitable));
            outcome.try_set_value(std::forward<R>(value));
        }
    } catch (...) {
        outcome.try_set_exception(std::current_exception());
    }
}

}  // namespace detail

/// For a task that waits for something of another library: does what `co_await awaitable` does in a coroutine, and returns
/// its result or rethrows its exception. What the awaitable does first runs on the calling task; it may be resumed by any
/// thread. Suspends the calling task (blocks a thread). C++20 awaitables know nothing of cancellation, and may refer to
/// objects of the caller: a request waits for the next suspension point, one that is pending is thrown before anything
/// starts. broken_promise if the awaitable destroys who waits for it. It counts as work outside of the runtime: virtual time
/// stands still until the result is there, so what is awaited must not itself wait for that time.
template <class Awaitable>
auto await(Awaitable&& awaitable) -> detail::future_result_t<detail::await_result_t<Awaitable>> {
    using result = detail::future_result_t<detail::await_result_t<Awaitable>>;
    detail::throw_if_cancel_pending();
    promise<result> outcome;
    future<result> done = outcome.get_future();
    detail::co_await_into<result>(std::move(outcome), std::forward<Awaitable>(awaitable));
    done.state()->wait_uncancelled();
    done.state()->rethrow_error();
    return done.state()->result.take();
}

/// In a C++20 coroutine of any kind whose promise type does not refuse it: one with an await_transform may take only what
/// it knows, as boost::asio::awaitable does (see async_wait in <coir/asio.hpp>).
///
/// Waits for the task or future and moves its value out, as get() does. The coroutine is resumed on a thread of coir's own,
/// which is no worker and which it may block: it has it for itself until it waits again. If it is done already, the
/// coroutine just goes on. Destroying the coroutine leaves what it waits for alone. Throws invalid_state for an empty handle.
template <class T>
auto operator co_await(task<T> const& awaited) {
    return detail::taking_awaiter<detail::task_result<T>, T>(awaited.state());
}
template <class T>
auto operator co_await(future<T> const& awaited) {
    return detail::taking_awaiter<detail::future_state<T>, T>(awaited.state());
}
/// The same; the value stays, and is referred to.
template <class T>
auto operator co_await(shared_future<T> const& awaited) {
    return detail::sharing_awaiter<detail::future_state<T>, T>(awaited.state());
}

}  // namespace coir
