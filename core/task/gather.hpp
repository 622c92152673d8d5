// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   gather(awaitables...)   waits for all, results in argument order   -> std::tuple
//   gather(range)           the same for a range                       -> std::vector
// An awaitable is a task, a future, a shared_future, or a callable, which is spawned.

#include <coir/core/task/future.hpp>
#include <coir/core/task/task.hpp>
#include <coir/core/task/timeout.hpp>

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

// void has no place in a tuple.
template <class T>
using gather_value_t = std::conditional_t<std::is_void_v<T>, std::monostate,
                                          std::conditional_t<std::is_reference_v<T>, T, std::remove_cv_t<T>>>;

// An argument of gather: a handle of the caller's (kept by reference), a handle passed in, or a task of a callable.
template <class A>
class gather_argument;

template <handle A>
class gather_argument<A> {
public:
    using value_type = typename std::remove_cvref_t<A>::value_type;
    explicit gather_argument(A&& a) : handle_(std::forward<A>(a)) {}
    gathered child() const { return {checked(), false}; }
    gather_value_t<value_type> take() {
        if constexpr (std::is_void_v<value_type>) {
            handle_.get();
            return {};
        } else {
            return handle_.get();
        }
    }

private:
    shared_state_base* checked() const {
        if (!handle_.state()) {
            throw_no_state("gather: a handle is empty");
        }
        return handle_.state().get();
    }
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
    gather_value_t<value_type> take() {
        if constexpr (std::is_void_v<value_type>) {
            task_.get();
            return {};
        } else {
            return task_.get();
        }
    }

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

}  // namespace detail

/// Waits for all awaitables and returns their results in argument order (std::monostate for void). The first exception is
/// rethrown at once, and handles that were passed in run on; children that gather started from callables are waited for
/// first. Suspends. Cancelling the caller cancels all of them, waits for them, and throws `cancelled`.
template <class... As>
    requires(sizeof...(As) != 1 || (!std::ranges::range<As> && ...))
auto gather(As&&... awaitables) {
    if constexpr (sizeof...(As) == 0) {
        return std::tuple<>{};
    } else {
        return detail::gather_all<As...>(detail::gather_argument<As>(std::forward<As>(awaitables))...);
    }
}

/// The same for a range of tasks, futures or callables; a vector of results, in the range's order.
template <std::ranges::range Range>
auto gather(Range&& range) {
    using element = std::ranges::range_reference_t<Range>;
    // Elements of a range that was moved in may be moved from.
    using passed = std::conditional_t<std::is_lvalue_reference_v<Range> || !std::is_lvalue_reference_v<element>,
                                      element, std::remove_reference_t<element>>;
    using argument = detail::gather_argument<passed>;
    std::vector<argument> arguments;
    for (auto&& e : range) {
        arguments.emplace_back(static_cast<passed&&>(e));
    }
    std::vector<detail::gathered> children;
    children.reserve(arguments.size());
    for (auto const& a : arguments) {
        children.push_back(a.child());
    }
    detail::await_all(children);
    std::vector<detail::gather_value_t<typename argument::value_type>> results;
    results.reserve(arguments.size());
    for (auto& a : arguments) {
        results.push_back(a.take());
    }
    return results;
}

}  // namespace coir
