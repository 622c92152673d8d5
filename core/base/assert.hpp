// SPDX-License-Identifier: BSL-1.0
#pragma once

// Invariants of the runtime itself. User input never reaches these: it gets an exception or an error code.

#include <coir/core/base/config.hpp>

namespace coir::detail {

/// Writes one line (what, where) to stderr and aborts. Never returns, never allocates.
[[noreturn]] COIR_COLD void invariant_failed(char const* what, char const* file, int line) noexcept;

/// The same for what a program must not do, and where nothing can be thrown: says so in one line and aborts.
[[noreturn]] COIR_COLD void end_misused(char const* what) noexcept;

}  // namespace coir::detail

/// Always checked: for states out of which nothing sensible follows and whose check costs nothing noticeable.
#define COIR_VERIFY(condition)                                                                                         \
    (__builtin_expect(!!(condition), 1) ? void() : ::coir::detail::invariant_failed(#condition, __FILE__, __LINE__))

/// Checked in debug and sanitizer builds: for hot paths.
#if !defined(NDEBUG)
#define COIR_ASSERT(condition) COIR_VERIFY(condition)
#else
#define COIR_ASSERT(condition) void()
#endif
