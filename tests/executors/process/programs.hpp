// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the test program does instead of testing when its first argument says so.

namespace coir::test {

inline constexpr char k_without_entry[] = "--without-entry";
inline constexpr char k_parent[] = "--parent";
inline constexpr char k_parent_of_nobody[] = "--parent-of-nobody";
inline constexpr char k_static_pool[] = "--static-pool";
/// In the environment: never gets to serve_if_worker().
inline constexpr char k_never_says_hello[] = "COIR_TEST_NEVER_SAYS_HELLO";

/// In the environment: a worker's first words, "garbage" or "endless".
inline constexpr char k_says_instead_of_hello[] = "COIR_TEST_SAYS_INSTEAD_OF_HELLO";

/// A main() that does not enter through coir. Status 0 if the pool is refused, and has started nothing before.
int program_without_entry();

/// Starts a pool, prints the numbers of two workers that are busy, and waits to be killed.
/// `as_nobody`: their initializer gives up the privileges of root.
int program_that_is_killed(bool as_nobody);

/// Ends with a pool that is destroyed after everything else, and is used by what is destroyed just before it. Status 0 if that
/// went well.
int program_with_static_pool();

}  // namespace coir::test
