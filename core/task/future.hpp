// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   promise<T>        whoever produces a result sets it here, once
//   future<T>         whoever waits for it takes it here, once
//   shared_future<T>  the same result for many: copyable, get() returns T const&
// All are usable from tasks, which they suspend, and from plain threads, which they block.

#include <coir/core/base/clock.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/task/shared_state.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/core/task/task.hpp>

#include <exception>
#include <functional>
#include <future>
#include <string>
#include <type_traits>
#include <utility>

namespace coir {

template <class T>
class future;
template <class T>
class shared_future;

namespace detail {

/// The number of the runtime whose task calls this, be it in blocking(); 0 on a plain thread. Defined by core/sched.
std::uint32_t callers_runtime_number() noexcept;

/// The last reference to a future's state goes. If it holds an exception that nobody looked at, this goes to
/// on_unhandled_exception, with the task that lets go of it. On a plain thread: with one that the runtime `home` gets for
/// that; if there is none of this number, or it has no handler or no memory, to stderr.
/// False: that task has a reference now, which is the last one.
bool report_unretrieved_error(shared_state_base& state, std::uint32_t home) noexcept;

/// The state behind a promise and its futures. An executor derives from it to hear of a cancellation.
template <class T>
class future_state : public shared_state_base {
    std::uint32_t home_ = callers_runtime_number();  // where it was made; first, where the base leaves room

public:
    /// With `references` references for those who will hold it.
    explicit future_state(std::uint32_t references) noexcept { this->publish(references); }

    result_slot<T> result;

    /// False if there is a result already, or one is just being set. Throws what making the value throws, and then nothing has
    /// been set. (Only if T's moves may throw as well it becomes the result: it is too late then to tell the caller.)
    template <class... Args>
    bool try_set_value(Args&&... args) {
        if constexpr (!result_slot<T>::template k_takes_safely<Args...> && result_slot<T>::k_moves_safely) {
            if (this->completion_started()) {
                return false;
            }
            result_slot<T> made;
            made.emplace(std::forward<Args>(args)...);
            if (!this->start_completion()) {
                return false;
            }
            result.adopt(std::move(made));
        } else {
            if (!this->start_completion()) {
                return false;
            }
            try {
                result.emplace(std::forward<Args>(args)...);
            } catch (...) {
                this->set_current_exception();
            }
        }
        this->complete();
        return true;
    }

    bool try_set_exception(std::exception_ptr error) noexcept {
        if (!this->start_completion()) {
            return false;
        }
        this->set_error(std::move(error));
        this->complete();
        return true;
    }

    /// What get() and wait() do: as the base's, after whoever produces the result was told.
    void join() {
        if (!this->is_done()) {
            before_waiting();
        }
        shared_state_base::join();
    }
    void wait() {
        if (!this->is_done()) {
            before_waiting();
        }
        this->wait_until(k_never);
    }
    /// Somebody is about to wait without a time limit. An executor may fetch the result in person, in a task for so short a time
    /// that nobody else minds. Does not suspend; may block a plain thread, until there is a result at the most.
    virtual void before_waiting() noexcept {}

    bool request_cancel(cancel_reason reason) noexcept override {
        if (!this->start_completion()) {
            return false;
        }
        this->set_cancelled(std::make_exception_ptr(coir::cancelled(std::move(reason))));
        this->complete();
        return true;
    }

    callback_slot& callbacks() override { return callbacks_; }

protected:
    /// For a derived class, which publishes itself when it is complete.
    future_state() noexcept = default;

private:
    void destroy() noexcept override {
        if (report_unretrieved_error(*this, std::exchange(home_, 0))) {
            delete this;
        }
    }

    callback_slot callbacks_;
};

/// What future and shared_future have in common.
template <class T>
class future_base {
public:
    using value_type = T;

    /// Waits for the result. Suspends the calling task (blocks a thread). Cancelling the waiting task throws `cancelled` here
    /// and leaves the future alone.
    void wait() const { checked().wait(); }

    /// As wait(), at most for `d`. `ready` or `timeout`.
    template <class Rep, class Period>
    std::future_status wait_for(std::chrono::duration<Rep, Period> const& d) const {
        return wait_until(deadline_after(clock::now(), d));
    }
    /// As wait(), at most until `t`.
    template <class Clock, class Duration>
    std::future_status wait_until(std::chrono::time_point<Clock, Duration> const& t) const {
        return checked().wait_until(to_deadline(t)) ? std::future_status::ready : std::future_status::timeout;
    }

    bool done() const { return checked().is_done(); }
    /// Completes the future as cancelled, unless it has its result. Whoever produces it finds try_set_value() false.
    bool cancel(std::string reason = {}) const {
        return checked().request_cancel(detail::keep_reason(std::move(reason)));
    }
    bool cancelled() const { return done() && checked().was_cancelled(); }
    /// The exception or null; throws `cancelled` if it was cancelled, invalid_state if there is no result yet.
    std::exception_ptr exception() const {
        auto& state = checked();
        if (!state.is_done()) {
            throw_no_state("future::exception: there is no result yet");
        }
        if (state.was_cancelled()) {
            state.rethrow_error();
        }
        return state.error();
    }
    bool valid() const noexcept { return static_cast<bool>(state_); }

    /// Calls `f()` when there is a result, or soon if there is one: in a task of the calling task's runtime, never inline, in
    /// the order of registration; with the context variables of the registration, and on the strand of who registers. Its
    /// exceptions go to on_unhandled_exception. Does not suspend. Throws no_running_runtime outside of a task,
    /// std::bad_alloc.
    template <class F>
    void on_done(F&& f) const {
        static_assert(std::is_invocable_v<std::decay_t<F>&>, "coir::future::on_done: f must be callable as f()");
        add_done_callback(checked(), nullptr, [f = std::decay_t<F>(std::forward<F>(f))]() mutable { std::invoke(f); });
    }

    // For the library: the state behind the handle.
    state_ptr<future_state<T>> const& state() const noexcept { return state_; }

protected:
    future_base() noexcept = default;
    explicit future_base(state_ptr<future_state<T>> state) noexcept : state_(std::move(state)) {}

    future_state<T>& checked() const {
        if (!state_) {
            throw_no_state("future: the handle is empty");
        }
        return *state_;
    }

    state_ptr<future_state<T>> state_;
};

}  // namespace detail

/// A result that comes later. Move-only; get() moves the value out once.
template <class T>
class future : public detail::future_base<T> {
public:
    future() noexcept = default;
    explicit future(detail::state_ptr<detail::future_state<T>> state) noexcept
        : detail::future_base<T>(std::move(state)) {}
    future(future&&) noexcept = default;
    future& operator=(future&&) noexcept = default;

    /// Waits and moves the value out; rethrows an exception, each time. A second get() of a value throws invalid_state.
    /// Suspends the calling task (blocks a thread). Cancelling the waiting task cancels the future.
    T get() {
        auto& state = this->checked();
        state.join();
        state.rethrow_error();
        if (!state.result.has_value()) {
            detail::throw_no_state("future::get: the value has been taken already");
        }
        return state.result.take();
    }

    /// Turns this handle, which is empty afterwards, into one that can be copied.
    shared_future<T> share() noexcept { return shared_future<T>(std::move(this->state_)); }
};

/// A result for many: copyable, get() does not take the value away.
template <class T>
class shared_future : public detail::future_base<T> {
public:
    shared_future() noexcept = default;
    explicit shared_future(detail::state_ptr<detail::future_state<T>> state) noexcept
        : detail::future_base<T>(std::move(state)) {}

    /// Waits and returns the value, which lives as long as any copy of this handle; rethrows an exception. Suspends.
    /// Cancelling the waiting task cancels the future, for everybody.
    std::conditional_t<std::is_void_v<T> || std::is_reference_v<T>, T, std::add_lvalue_reference_t<T const>>
    get() const {
        auto& state = this->checked();
        state.join();
        state.rethrow_error();
        return state.result.peek();
    }
};

/// Where a result is set, once, by anybody: the call does not suspend, and wakes who waits. Destroying a promise without
/// a result completes the future with broken_promise.
template <class T>
class promise {
public:
    promise() : state_(detail::state_ptr<detail::future_state<T>>::adopt(new detail::future_state<T>(1))) {}
    promise(promise&&) noexcept = default;
    promise& operator=(promise&& other) noexcept {
        promise(std::move(other)).swap(*this);
        return *this;
    }
    ~promise() {
        if (state_ && state_->try_set_exception(detail::broken_promise_error())) {
            state_->mark_retrieved();  // nobody has failed: no report if nobody asks
        }
    }
    void swap(promise& other) noexcept {
        std::swap(state_, other.state_);
        std::swap(future_taken_, other.future_taken_);
    }

    /// Once; a second call throws invalid_state.
    future<T> get_future() {
        checked();
        if (std::exchange(future_taken_, true)) {
            detail::throw_no_state("promise::get_future: the future has been taken already");
        }
        return future<T>(state_);
    }

    /// Throws invalid_state if there is a result already, or the future was cancelled; and what making the value throws,
    /// std::bad_alloc for one: then nothing has been set, and it may be tried again.
    template <class... Args>
    void set_value(Args&&... args) {
        check_set(try_set_value(std::forward<Args>(args)...));
    }
    /// The same of a value in braces.
    template <class U = T>
    void set_value(U&& value) {
        check_set(try_set_value(std::forward<U>(value)));
    }
    /// False if there is a result already, or the future was cancelled. Throws what making the value throws, as above.
    template <class... Args>
    bool try_set_value(Args&&... args) {
        return try_set(std::forward<Args>(args)...);
    }
    template <class U = T>
    bool try_set_value(U&& value) {
        return try_set(std::forward<U>(value));
    }
    void set_exception(std::exception_ptr error) {
        if (!try_set_exception(std::move(error))) {
            detail::throw_no_state("promise::set_exception: there is a result already, or the future was cancelled");
        }
    }
    bool try_set_exception(std::exception_ptr error) {
        auto const keep = state_;
        return checked().try_set_exception(std::move(error));
    }
    /// Did the other side give up?
    bool cancelled() const { return checked().is_done() && state_->was_cancelled(); }

private:
    template <class... Args>
    bool try_set(Args&&... args) {
        constexpr bool makes_one = std::is_void_v<T> ? sizeof...(Args) == 0 : std::is_constructible_v<T, Args...>;
        static_assert(makes_one, "coir::promise: T cannot be made from these arguments: none for void, and a move-only "
                                 "value is passed with std::move");
        auto const keep = state_;  // the future's owner may destroy this promise as soon as it has the value
        if constexpr (makes_one) {
            return checked().try_set_value(std::forward<Args>(args)...);
        } else {
            return false;
        }
    }
    static void check_set(bool is_set) {
        if (!is_set) {
            detail::throw_no_state("promise::set_value: there is a result already, or the future was cancelled");
        }
    }
    detail::future_state<T>& checked() const {
        if (!state_) {
            detail::throw_no_state("promise: moved from");
        }
        return *state_;
    }

    detail::state_ptr<detail::future_state<T>> state_;
    bool future_taken_ = false;
};

}  // namespace coir
