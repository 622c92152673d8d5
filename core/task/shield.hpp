// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <coir/core/task/awaitable.hpp>

#include <utility>

namespace coir {

/// Waits for a task or future of the caller's and returns what its get() returns. Suspends. Cancelling the caller throws
/// `cancelled` at once, and what it waited for runs on; its result is still to be had from the handle.
template <detail::handle Handle>
decltype(auto) shield(Handle& awaited) {
    awaited.wait();
    return awaited.get();
}
/// A handle that nobody keeps would take its task out of sight: keep it, and pass it as an lvalue.
template <detail::handle Handle>
    requires(!std::is_lvalue_reference_v<Handle>)
void shield(Handle&& awaited) = delete;
// What is no handle is refused with a message.
template <class Other>
    requires(!detail::handle<Other>)
void shield(Other&&) {
    static_assert(detail::handle<Other>, "coir::shield: takes a task or a future, such as spawn(f) returns");
}

}  // namespace coir
