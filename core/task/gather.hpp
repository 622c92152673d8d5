// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   gather(awaitables...)   waits for all, results in argument order   -> std::tuple
//   gather(range)           the same for a range                       -> std::vector
//   gather_settled(...)     the same, and never throws what they threw -> tuple or vector of outcome<T>
// An awaitable is a task, a future, a shared_future, or a callable, which is spawned.

#include <coir/core/task/awaitable.hpp>
#include <coir/core/task/outcome.hpp>
#include <coir/core/task/task_ref.hpp>

#include <concepts>
#include <ranges>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace coir {
namespace detail {

/// One of several states that are waited for together.
struct gathered {
    shared_state_base* state;
    bool owned;  ///< started by gather itself: must not outlive it
};

/// Waits until all are done; returns early, all the same, when one has failed, but waits for the owned ones. Throws the
/// first failure. A cancellation of the caller cancels them all, and is thrown when they have ended.
void await_all(std::span<gathered const> children);
/// Waits until all are done. A cancellation of the caller does as above.
void await_all_settled(std::span<gathered const> children);

// void has no place in a tuple.
template <class T>
using gather_value_t = std::conditional_t<std::is_void_v<T>, std::monostate,
                                          std::conditional_t<std::is_reference_v<T>, T, std::remove_cv_t<T>>>;

// What get() of a handle returns, as it stands in a tuple.
template <class Handle>
auto take_value(Handle& from) -> gather_value_t<typename Handle::value_type> {
    if constexpr (std::is_void_v<typename Handle::value_type>) {
        from.get();
        return {};
    } else {
        return from.get();
    }
}

// An argument of gather: a handle of the caller's (kept by reference), a handle passed in, or a task of a callable.
template <class A>
class gather_argument;

template <handle A>
class gather_argument<A> {
public:
    using value_type = typename std::remove_cvref_t<A>::value_type;
    explicit gather_argument(A&& a) : handle_(std::forward<A>(a)) {}
    gathered child() const { return {&state_of(handle_), false}; }
    gather_value_t<value_type> take() { return take_value(handle_); }

    outcome<value_type> settle() { return settled_outcome(handle_); }

private:
    A handle_;  // A is a reference for an lvalue
};

template <class F>
    requires(!handle<F>)
class gather_argument<F> {
public:
    using value_type = spawn_result_t<F>;
    explicit gather_argument(F&& f) : task_(spawn(std::forward<F>(f))) {}
    gather_argument(gather_argument&&) noexcept = default;
    gather_argument& operator=(gather_argument&&) = delete;
    // A child whose siblings could not even be started does not outlive the call either.
    ~gather_argument() {
        if (task_.valid() && !task_.done()) {
            cancel_shield const shield;
            task_.cancel();
            task_.wait();
        }
    }
    gathered child() const { return {task_.state().get(), true}; }
    gather_value_t<value_type> take() { return take_value(task_); }
    outcome<value_type> settle() { return settled_outcome(task_); }

private:
    task<value_type> task_;
};

template <class... As>
auto gather_all(gather_argument<As>... arguments)
    -> std::tuple<gather_value_t<typename gather_argument<As>::value_type>...> {
    gathered const children[] = {arguments.child()...};
    await_all(children);
    // Braces: taken from left to right.
    return std::tuple<gather_value_t<typename gather_argument<As>::value_type>...>{arguments.take()...};
}

template <class... As>
auto gather_all_settled(gather_argument<As>... arguments)
    -> std::tuple<outcome<typename gather_argument<As>::value_type>...> {
    gathered const children[] = {arguments.child()...};
    await_all_settled(children);
    return std::tuple<outcome<typename gather_argument<As>::value_type>...>{arguments.settle()...};
}

// Elements of a range that was moved in may be moved from.
template <class Range, class Element = std::ranges::range_reference_t<Range>>
using gathered_element_t = std::conditional_t<std::is_lvalue_reference_v<Range> || !std::is_lvalue_reference_v<Element>,
                                              Element, std::remove_reference_t<Element>>;

template <class Range>
auto gather_arguments(Range& range) {
    using passed = gathered_element_t<Range>;
    std::vector<gather_argument<passed>> arguments;
    for (auto&& e : range) {
        arguments.emplace_back(static_cast<passed&&>(e));  // NOLINT(performance-*): not every range knows its size
    }
    return arguments;
}

template <class Argument>
std::vector<gathered> children_of(std::vector<Argument> const& arguments) {
    std::vector<gathered> children;
    children.reserve(arguments.size());
    for (auto const& a : arguments) {
        children.push_back(a.child());
    }
    return children;
}

}  // namespace detail

/// Waits for all awaitables and returns their results in argument order (std::monostate for void). The first exception is
/// rethrown at once, and handles that were passed in run on; children that gather started from callables are waited for
/// first. Suspends. Cancelling the caller cancels all of them, waits for them, and throws `cancelled`. A task that waits for
/// itself among them: invalid_state.
template <class... As>
    requires(sizeof...(As) != 1 || (!std::ranges::range<As> && ...))
auto gather(As&&... awaitables) {
    if constexpr (sizeof...(As) == 0) {
        return std::tuple<>{};
    } else if constexpr (detail::check_awaitable<As...>::passed) {
        // Braces: callables are started from left to right.
        return std::apply(
            [](auto&&... arguments) { return detail::gather_all<As...>(std::move(arguments)...); },
            std::tuple<detail::gather_argument<As>...>{detail::gather_argument<As>(std::forward<As>(awaitables))...});
    }
}

/// The same for a range of tasks, futures or callables; a vector of results, in the range's order.
template <std::ranges::range Range>
auto gather(Range&& range) {
    if constexpr (detail::check_awaitable<std::ranges::range_reference_t<Range>>::passed) {
        using argument = detail::gather_argument<detail::gathered_element_t<Range>>;
        auto arguments = detail::gather_arguments<Range>(range);
        std::vector<detail::gather_value_t<typename argument::value_type>> results;
        results.reserve(arguments.size());  // before there is anything to lose
        detail::await_all(detail::children_of(arguments));
        for (auto& a : arguments) {
            results.push_back(a.take());
        }
        return results;
    }
}

/// Waits for all awaitables and returns how each of them ended, in argument order, as outcome<T>; it throws nothing that
/// they threw. Suspends. Cancelling the caller cancels all of them, waits for them, and throws `cancelled`.
template <class... As>
    requires(sizeof...(As) != 1 || (!std::ranges::range<As> && ...))
auto gather_settled(As&&... awaitables) {
    if constexpr (sizeof...(As) == 0) {
        return std::tuple<>{};
    } else if constexpr (detail::check_awaitable<As...>::passed) {
        return std::apply(
            [](auto&&... arguments) { return detail::gather_all_settled<As...>(std::move(arguments)...); },
            std::tuple<detail::gather_argument<As>...>{detail::gather_argument<As>(std::forward<As>(awaitables))...});
    }
}

/// The same for a range; a vector of outcomes, in the range's order.
template <std::ranges::range Range>
auto gather_settled(Range&& range) {
    if constexpr (detail::check_awaitable<std::ranges::range_reference_t<Range>>::passed) {
        using argument = detail::gather_argument<detail::gathered_element_t<Range>>;
        auto arguments = detail::gather_arguments<Range>(range);
        std::vector<outcome<typename argument::value_type>> outcomes;
        outcomes.reserve(arguments.size());  // before there is anything to lose
        detail::await_all_settled(detail::children_of(arguments));
        for (auto& a : arguments) {
            outcomes.push_back(a.settle());
        }
        return outcomes;
    }
}

}  // namespace coir
