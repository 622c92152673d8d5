// SPDX-License-Identifier: BSL-1.0
#pragma once

// How a plain thread blocks until another one lets it go on. (A worker blocks in its poll instead: core/io, and
// idle.hpp for who wakes it.)
//
// Roles: one thread parks (the parker is its own), any thread unparks.
//
// The word: k_empty, k_token (an unpark that nobody has used yet) or k_parked (the thread sleeps or is about to).
//
// Invariants
//   1. There is at most one token. An unpark before the park makes it return at once; several unparks before it count
//      as one. A park never returns without having used a token (no spurious returns); park_until() says if it has.
//   2. unpark() does not touch the parker after its exchange, but for the address that it gives to the kernel. So the
//      parker may be destroyed as soon as park() has returned, even while that unpark() is still under way. Should
//      another futex lie at that address by then, its sleeper wakes up once for nothing, as every futex sleeper must
//      expect to.
//
// Orderings: unpark() releases, what takes the token acquires: everything before the unpark is seen after the park.

#include <atomic>
#include <chrono>
#include <cstdint>

namespace coir::detail {

class thread_parker {
public:
    thread_parker() = default;
    thread_parker(thread_parker const&) = delete;
    thread_parker& operator=(thread_parker const&) = delete;

    /// Blocks the thread until there is a token, and uses it up.
    void park() noexcept;

    /// The same until `deadline`: false if it passed without a token (one that is already there is used all the same).
    [[nodiscard]] bool park_until(std::chrono::steady_clock::time_point deadline) noexcept;

    /// Leaves a token, and wakes the thread if it is parked. Any thread; one system call, only if it is parked.
    void unpark() noexcept;

private:
    static constexpr std::uint32_t k_empty = 0;
    static constexpr std::uint32_t k_token = 1;
    static constexpr std::uint32_t k_parked = 2;

    bool take_token_or_announce() noexcept;
    bool take_token() noexcept;

    std::atomic<std::uint32_t> word_{k_empty};
};

}  // namespace coir::detail
