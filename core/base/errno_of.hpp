// SPDX-License-Identifier: BSL-1.0
#pragma once

// errno is a thread-local whose address glibc declares constant: a compiler may compute it once and use it again
// after a suspension, on another thread. So every system call of the runtime goes through errno_of, which calls and
// reads errno within one function that is never inlined and never suspends.

#include <coir/core/base/config.hpp>

#include <cerrno>
#include <utility>

namespace coir::detail {

/// The result of a system call: `value` as returned, `error` the errno right behind it (0 on success).
template <class T>
struct syscall_result {
    T value;
    int error;

    explicit operator bool() const noexcept { return error == 0; }
};

/// Calls `function(args...)`, and reads errno if the result is negative. Retries nothing.
template <class... Params, class R, class... Args>
COIR_NOIPA syscall_result<R> errno_of(R (*function)(Params...), Args... args) noexcept {
    R const value = function(args...);
    return {value, value < 0 ? errno : 0};
}

}  // namespace coir::detail
