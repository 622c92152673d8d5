// SPDX-License-Identifier: BSL-1.0
#pragma once

// What combinators take: a task, a future or a shared_future (a handle), or a callable, which they spawn.

#include <coir/core/task/future.hpp>
#include <coir/core/task/task.hpp>

#include <functional>
#include <ranges>
#include <type_traits>

namespace coir::detail {

template <class A>
concept handle = requires(std::remove_cvref_t<A> const& a) {
    a.state();
    typename std::remove_cvref_t<A>::value_type;
};

// What an awaitable gives: a handle its value or reference, a callable its result.
template <class A>
struct awaited {
    using type = spawn_result_t<A>;
};
template <handle A>
struct awaited<A> {
    using type = typename std::remove_cvref_t<A>::value_type;
};
template <class A>
using awaited_t = typename awaited<A>::type;

/// Says in one line that something cannot be awaited.
template <class... As>
struct check_awaitable {
    static constexpr bool passed = ((handle<As> || spawnable<As>)&&...);
    static_assert(passed, "coir: only a task, a future, a shared_future, or what is callable without arguments can be "
                          "awaited");
};

// What an element of a range refers to: itself, or what a std::reference_wrapper does, so that what wait() returned can be
// waited for again.
template <class E>
struct handle_behind {
    using type = E;
};
template <class H>
struct handle_behind<std::reference_wrapper<H>> {
    using type = H;
};
template <class H>
struct handle_behind<std::reference_wrapper<H> const> {
    using type = H;
};
template <class R>
using handle_in_range = typename handle_behind<std::remove_reference_t<std::ranges::range_reference_t<R>>>::type;

/// A range of handles that its owner keeps: combinators refer to its elements.
template <class R>
concept range_of_handles = std::ranges::input_range<R> &&
    std::is_lvalue_reference_v<std::ranges::range_reference_t<R>> && handle<handle_in_range<R>>;

/// The same for a range whose elements will be referred to.
template <class R>
struct check_range_of_handles {
    static constexpr bool lasting = std::is_lvalue_reference_v<R> || std::ranges::borrowed_range<R>;
    static_assert(range_of_handles<R>, "coir: the argument must be a range of tasks or futures, as a vector of them");
    static_assert(!range_of_handles<R> || lasting,
                  "coir: the result refers to the elements of the range: pass one that lives on, not a temporary");
    static constexpr bool passed = range_of_handles<R> && lasting;
};

/// The state behind a handle. Throws invalid_state for an empty one.
template <handle A>
shared_state_base& state_of(A const& a) {
    if (!a.state()) {
        throw_no_state("an awaitable is an empty handle (moved from or detached)");
    }
    return *a.state();
}

}  // namespace coir::detail
