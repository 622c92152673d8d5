// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   select(cases...) -> index          waits until one of several things can be done, and does that one alone
//     on_pop(channel or queue, f)      takes an item: f(item)
//     on_push(channel or queue, v, f)  hands v over: f()
//     on_ready(awaitable or event, f)  f(result), f()
//     on_readable(fd, f)               when a read would not block: f(); on_writable(fd, f) for a write
//     after(d, f)                      when d has passed: f()
//     otherwise(f)                     if none of the others can be done at once: f()
//
//     select(on_pop(jobs, [](job j) { run(j); }), on_ready(stop, [&] { done = true; }), after(1s, [] { tick(); }));

#include <coir/core/base/clock.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/task.hpp>
#include <coir/core/task/task_ref.hpp>
#include <coir/core/task/timeout.hpp>
#include <coir/sync/detail/descriptor_case.hpp>
#include <coir/sync/detail/select_case.hpp>
#include <coir/sync/event.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace coir {
namespace detail {

// Is the parameter of F written as std::optional<T>? Not asked by calling it: that would instantiate a generic lambda.
// Of noexcept ones too: their pointers convert.
template <class R, class A>
std::remove_cvref<A> parameter_of(R (*)(A));
template <class R, class C, class A>
std::remove_cvref<A> parameter_of(R (C::*)(A));
template <class R, class C, class A>
std::remove_cvref<A> parameter_of(R (C::*)(A) const);
template <class R, class C, class A>
std::remove_cvref<A> parameter_of(R (C::*)(A) &);
template <class R, class C, class A>
std::remove_cvref<A> parameter_of(R (C::*)(A) const&);

template <class F, class T>
inline constexpr bool takes_optional = false;
template <class F, class T>
    requires std::is_pointer_v<F> && requires(F f) {
        parameter_of(f);
    }
inline constexpr bool takes_optional<F, T> =
    std::is_same_v<typename decltype(parameter_of(F()))::type, std::optional<T>>;
template <class F, class T>
    requires requires {
        parameter_of(&F::operator());
    }
inline constexpr bool takes_optional<F, T> =
    std::is_same_v<typename decltype(parameter_of(&F::operator()))::type, std::optional<T>>;

template <class Source>
concept exchanges_items = requires(Source& source) {
    source.exchange();
    typename Source::value_type;
};

template <class Source>
using exchange_of = std::remove_reference_t<decltype(std::declval<Source&>().exchange())>;

// By value, so that this asks for what finish() will do. A void result: f().
template <class F, class T>
inline constexpr bool takes_result = std::is_invocable_v<F, T>;
template <class F>
inline constexpr bool takes_result<F, void> = std::is_invocable_v<F>;

template <class F, class T>
inline constexpr bool is_told_of_item = [] {
    if constexpr (takes_optional<F, T>) {
        return std::is_invocable_v<F&, std::optional<T>>;
    } else {
        return std::is_invocable_v<F&, T>;
    }
}();

template <class Source, class F>
class pop_case final : public select_case {
public:
    using item_type = typename Source::value_type;

    pop_case(Source& source, F&& f) : source_(source), f_(std::move(f)) {}

    bool poll() override {
        auto const now = source_.exchange().try_pop(item_);
        if (now != exchange::progress::closed) {
            return now == exchange::progress::done;
        }
        if constexpr (k_is_told) {
            return true;
        } else {
            source_.throw_closed();
        }
    }
    bool enlist(waiter& who) noexcept override { return source_.exchange().enlist(node_.emplace(who, item_)); }
    void withdraw() noexcept override { source_.exchange().withdraw(*node_); }
    bool settled() noexcept override { return item_.has_value(); }
    void finish() override {
        if constexpr (k_is_told) {
            std::invoke(f_, std::move(item_));
        } else {
            std::invoke(f_, std::move(*item_));
        }
    }

private:
    using exchange = exchange_of<Source>;
    static constexpr bool k_is_told = takes_optional<F, item_type>;

    Source& source_;
    F f_;
    std::optional<item_type> item_;
    std::optional<typename exchange::pop_node> node_;
};

template <class Source, class F>
class push_case final : public select_case {
public:
    using item_type = typename Source::value_type;

    // An rvalue stays where it is until it is handed over; of anything else there is a copy.
    template <class V>
    push_case(Source& target, V&& value, F&& f) : target_(target), f_(std::move(f)) {
        if constexpr (std::is_same_v<V, item_type>) {
            item_ = &value;
        } else {
            item_ = &copy_.emplace(std::forward<V>(value));
        }
    }

    bool poll() override {
        auto const now = target_.exchange().try_push(*item_);
        if (now == exchange::progress::closed) {
            target_.throw_closed();
        }
        return now == exchange::progress::done;
    }
    bool enlist(waiter& who) noexcept override { return target_.exchange().enlist(node_.emplace(who, *item_)); }
    void withdraw() noexcept override { target_.exchange().withdraw(*node_); }
    bool settled() noexcept override { return node_->taken; }
    void finish() override { std::invoke(f_); }

private:
    using exchange = exchange_of<Source>;

    Source& target_;
    F f_;
    item_type* item_ = nullptr;
    std::optional<item_type> copy_;
    std::optional<typename exchange::push_node> node_;
};

template <class F>
class event_case final : public select_case {
public:
    event_case(event& e, F&& f) : event_(e), f_(std::move(f)) {}

    bool poll() override { return event_.try_wait(); }
    bool enlist(waiter& who) noexcept override {
        node_ = wait_node();
        node_.who = &who;
        return event_.enlist(node_);
    }
    void withdraw() noexcept override { event_.withdraw(node_); }
    bool settled() noexcept override { return node_.chosen; }
    void finish() override { std::invoke(f_); }

private:
    event& event_;
    F f_;
    wait_node node_;
};

/// Waits for a state, which the derived class owns.
class state_case : public select_case {
public:
    bool poll() final { return state_ != nullptr && state_->is_done(); }
    bool enlist(waiter& who) noexcept final {
        node_.who = &who;
        node_.chosen = false;
        return state_->add(node_);
    }
    void withdraw() noexcept final { state_->erase(node_); }
    bool settled() noexcept final { return node_.chosen; }

protected:
    state_case() noexcept {
        node_.on_complete = [](completion_node& self, wake_list& wakes) noexcept {
            auto& n = static_cast<node&>(self);
            n.chosen = true;  // before the claim, as in wait_list::claim_one()
            if (!wakes.claim(*n.who)) {
                n.chosen = false;
            }
        };
    }
    ~state_case() = default;

    void wait_for_state(shared_state_base* state) {
        if (state == nullptr) {
            throw_no_state("coir::on_ready: the handle is empty");
        }
        if (state == static_cast<shared_state_base*>(current_task_or_null())) {
            throw_no_state("coir::on_ready: a task cannot await itself");
        }
        state_ = state;
    }

private:
    struct node : completion_node {
        waiter* who = nullptr;
        bool chosen = false;
    };

    shared_state_base* state_ = nullptr;
    node node_;
};

template <class Handle, class F>
void pass_result(Handle& handle, F& f) {
    if constexpr (std::is_void_v<typename Handle::value_type>) {
        handle.get();
        std::invoke(f);
    } else {
        std::invoke(f, handle.get());
    }
}

// A is a reference for an lvalue.
template <class A, class F>
class handle_case final : public state_case {
public:
    handle_case(A&& handle, F&& f) : handle_(std::forward<A>(handle)), f_(std::move(f)) {
        wait_for_state(handle_.state().get());
    }
    void finish() override { pass_result(handle_, f_); }

private:
    A handle_;
    F f_;
};

// Its task starts when there is nothing to do at once, and ends with the select().
template <class C, class F>
class callable_case final : public state_case {
public:
    callable_case(C&& callable, F&& f) : callable_(std::forward<C>(callable)), f_(std::move(f)) {}

    void start() override {
        task_.emplace(spawn(std::move(callable_)));
        wait_for_state(task_->state().get());
    }
    void stop(bool chosen) noexcept override {
        if (!chosen) {
            cancel_shield const shield;
            task_->cancel();
            task_->wait();
        }
    }
    void finish() override { pass_result(*task_, f_); }

private:
    std::decay_t<C> callable_;
    F f_;
    std::optional<task<spawn_result_t<std::decay_t<C>>>> task_;
};

template <class F>
class readiness_case final : public descriptor_case {
public:
    readiness_case(int fd, direction d, F&& f) noexcept : descriptor_case(fd, d), f_(std::move(f)) {}
    void finish() override { std::invoke(f_); }

private:
    F f_;
};

template <class F>
class after_case final : public select_case {
public:
    after_case(clock::time_point deadline, F&& f) : deadline_(deadline), f_(std::move(f)) {}

    bool poll() override { return clock::now() >= deadline_; }
    clock::time_point deadline() const noexcept override { return deadline_; }
    void finish() override { std::invoke(f_); }

private:
    clock::time_point const deadline_;
    F f_;
};

template <class F>
class otherwise_case final : public select_case {
public:
    explicit otherwise_case(F&& f) : f_(std::move(f)) {}

    bool poll() override { return false; }
    bool is_otherwise() const noexcept override { return true; }
    void finish() override { std::invoke(f_); }

private:
    F f_;
};

}  // namespace detail

/// A case that takes the next item of a channel or queue: `f(item)`. A closed and drained one makes select() throw
/// channel_closed (queue_shut_down), unless `f` takes a std::optional<T>, which is then empty.
template <class Source, class F>
[[nodiscard]] auto on_pop(Source& source, F f) {
    static_assert(detail::exchanges_items<Source>, "coir::on_pop: the first argument must be a channel or a queue");
    if constexpr (detail::exchanges_items<Source>) {
        constexpr bool callable = detail::is_told_of_item<F, typename Source::value_type>;
        static_assert(callable, "coir::on_pop: f must be callable as f(item)");
        if constexpr (callable) {
            return detail::pop_case<Source, F>(source, std::move(f));
        }
    }
}

/// A case that hands `value` to a channel or queue, as push() does: `f()`. An rvalue is moved from only if this is the case
/// that takes effect, and must live as long as the call of select(). A closed one makes select() throw channel_closed
/// (queue_shut_down).
template <class Target, class V, class F>
[[nodiscard]] auto on_push(Target& target, V&& value, F f) {
    static_assert(detail::exchanges_items<Target>, "coir::on_push: the first argument must be a channel or a queue");
    static_assert(std::is_invocable_v<F&>, "coir::on_push: f must be callable as f()");
    if constexpr (detail::exchanges_items<Target> && std::is_invocable_v<F&>) {
        constexpr bool possible = std::is_constructible_v<typename Target::value_type, V>;
        static_assert(possible,
                      "coir::on_push: the value cannot be made an item: a move-only one is passed with std::move");
        if constexpr (possible) {
            return detail::push_case<Target, F>(target, std::forward<V>(value), std::move(f));
        }
    }
}

/// A case for the end of a task or future: `f(result)`, `f()` for void; if it failed, select() throws that. It is not
/// cancelled if another case is taken, nor when the caller is. A callable is spawned if nothing can be done at once, and
/// then, if another case is taken, cancelled and waited for.
template <class A, class F>
    requires(!std::same_as<std::remove_cvref_t<A>, event>)
[[nodiscard]] auto on_ready(A&& awaitable, F f) {
    if constexpr (detail::check_awaitable<A>::passed) {
        constexpr bool callable = detail::takes_result<F&, detail::awaited_t<A>>;
        static_assert(callable, "coir::on_ready: f must be callable as f(result), or f() if that is void");
        if constexpr (!callable) {
        } else if constexpr (detail::handle<A>) {
            return detail::handle_case<A, F>(std::forward<A>(awaitable), std::move(f));
        } else {
            return detail::callable_case<A, F>(std::forward<A>(awaitable), std::move(f));
        }
    }
}

/// A case for an event: `f()`.
template <class F>
[[nodiscard]] auto on_ready(event& e, F f) {
    static_assert(std::is_invocable_v<F&>, "coir::on_ready of an event: f must be callable as f()");
    return detail::event_case<F>(e, std::move(f));
}

/// A case for a descriptor, of this process's or another library's, from which a read would not block (there is something,
/// its end, or an error): `f()`. By level. The runtime forgets the descriptor afterwards. If it is not open select() throws
/// std::system_error. On a plain thread a wait for it costs a thread.
template <class F>
[[nodiscard]] auto on_readable(int fd, F f) {
    static_assert(std::is_invocable_v<F&>, "coir::on_readable: f must be callable as f()");
    using made = detail::readiness_case<F>;
    return made(fd, made::direction::read, std::move(f));
}
/// The same for a write.
template <class F>
[[nodiscard]] auto on_writable(int fd, F f) {
    static_assert(std::is_invocable_v<F&>, "coir::on_writable: f must be callable as f()");
    using made = detail::readiness_case<F>;
    return made(fd, made::direction::write, std::move(f));
}

/// A case for when `d`, from the making of the case, has passed and no other one was taken: `f()`.
template <class Rep, class Period, class F>
[[nodiscard]] auto after(std::chrono::duration<Rep, Period> const& d, F f) {
    static_assert(std::is_invocable_v<F&>, "coir::after: f must be callable as f()");
    return detail::after_case<F>(detail::deadline_after(clock::now(), d), std::move(f));
}

/// The case that is taken when none of the others can be at once: `f()`. select() then never waits.
template <class F>
[[nodiscard]] auto otherwise(F f) {
    static_assert(std::is_invocable_v<F&>, "coir::otherwise: f must be callable as f()");
    return detail::otherwise_case<F>(std::move(f));
}

/// Waits until one of the cases can take effect, has that one take effect and no other, calls its callback, and returns its
/// index. If several can at once, it is the first of them: put first what must not be kept waiting. Suspends the calling
/// task (blocks a thread), unless there is an `otherwise`. Throws `cancelled`, and then no case has taken effect; what the
/// callback throws. The cases are made in the call itself, and what they name lives until select() has returned. Among the
/// waiters of a channel a select() keeps its place, except if one of its other cases can suddenly be taken just as it lines
/// up, and somebody else then is faster.
/// After Go's select; the claim is Reppy's (Concurrent Programming in ML, ch. 10).
template <class... Cases>
    requires((std::derived_from<std::remove_reference_t<Cases>, detail::select_case> ||
              ...))  // not the system's select()
std::size_t select(Cases&&... cases) {
    constexpr bool all_are_cases = (std::derived_from<std::remove_reference_t<Cases>, detail::select_case> && ...);
    static_assert(all_are_cases, "coir::select: each argument must be a case: on_pop, on_push, on_ready, on_readable, "
                                 "on_writable, after, otherwise");
    constexpr bool all_are_new = !(std::is_lvalue_reference_v<Cases> || ...);
    static_assert(!all_are_cases || all_are_new,
                  "coir::select: a case serves one call, and is made in it: select(on_pop(...), ...)");
    if constexpr (all_are_cases && all_are_new) {
        detail::select_case* const all[] = {&cases...};
        std::size_t const index = detail::select_one(all);
        all[index]->finish();
        return index;
    } else {
        return 0;
    }
}

}  // namespace coir
