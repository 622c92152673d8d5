// SPDX-License-Identifier: BSL-1.0
#pragma once

// Part of a measurement in a process of its own. The caller must not have threads yet.

#include <cstddef>
#include <functional>
#include <type_traits>

namespace bench {

/// Runs `body` in a child process, which writes `size` bytes to `result`. Throws std::runtime_error if it does not end
/// well.
void run_in_child(std::function<void(void* result)> const& body, void* result, std::size_t size);

template <class Result, class F>
Result run_in_child(F&& body) {
    static_assert(std::is_trivially_copyable_v<Result>);
    Result result{};
    run_in_child([&](void* to) { *static_cast<Result*>(to) = body(); }, &result, sizeof result);
    return result;
}

}  // namespace bench
