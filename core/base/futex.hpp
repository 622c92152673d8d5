// SPDX-License-Identifier: BSL-1.0
#pragma once

// The futex calls that coir uses. Private futexes, but for those whose name says shared; time points are absolute CLOCK_MONOTONIC, the clock
// behind std::chrono::steady_clock on Linux.

#include <atomic>
#include <chrono>
#include <cstdint>

namespace coir::detail {

/// Sleeps while `word == expected`; returns on a wake, a signal or a changed value: callers loop.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept;

/// As futex_wait, and returns false once `deadline` has passed.
bool futex_wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                      std::chrono::steady_clock::time_point deadline) noexcept;

/// Wakes up to `count` sleepers. The word may be gone by now: the kernel only uses its address.
void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept;

/// The same for a word in memory that processes share.
bool futex_wait_shared_until(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                             std::chrono::steady_clock::time_point deadline) noexcept;
void futex_wake_shared(std::atomic<std::uint32_t>& word, int count) noexcept;

}  // namespace coir::detail
