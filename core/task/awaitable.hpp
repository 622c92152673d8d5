// SPDX-License-Identifier: BSL-1.0
#pragma once

// What combinators take: a task, a future or a shared_future (a handle), or a callable, which they spawn.

#include <coir/core/task/future.hpp>
#include <coir/core/task/task.hpp>

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

/// A range of handles that its owner keeps: combinators refer to its elements.
template <class R>
concept range_of_handles = std::ranges::input_range<R> &&
    std::is_lvalue_reference_v<std::ranges::range_reference_t<R>> && handle<std::ranges::range_reference_t<R>>;

/// The state behind a handle. Throws invalid_state for an empty one.
template <handle A>
shared_state_base& state_of(A const& a) {
    if (!a.state()) {
        throw_no_state("an awaitable is an empty handle (moved from or detached)");
    }
    return *a.state();
}

}  // namespace coir::detail
