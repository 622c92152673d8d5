// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   barrier(n)   a meeting point: n have to come before any of them goes on, again and again

#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>

#include <cstddef>

namespace coir {

/// asyncio's Barrier for tasks and plain threads. A party that is cancelled while it waits has not come; one that is cancelled
/// when all have come goes on, and the request waits for its next suspension point. Whoever has passed last may destroy it.
class barrier {
public:
    /// Throws std::invalid_argument unless there is at least one party.
    explicit barrier(std::ptrdiff_t parties);
    barrier(barrier const&) = delete;
    barrier& operator=(barrier const&) = delete;

    /// Waits until as many as there are parties have come. Returns another number from 0 to parties - 1 to each of them:
    /// the order of their coming. Suspends (blocks a thread). Throws broken_barrier if the barrier is aborted, or is reset
    /// while the caller waits; `cancelled`.
    std::size_t arrive_and_wait();

    /// Breaks the barrier: who waits, and who comes, gets broken_barrier, until reset(). Does not suspend.
    void abort() noexcept;
    /// Makes the barrier new; who waits gets broken_barrier. Does not suspend.
    void reset() noexcept;

    std::size_t parties() const noexcept { return parties_; }
    /// How many wait now.
    std::size_t n_waiting() const noexcept;
    bool broken() const noexcept;

private:
    enum class outcome : unsigned char { none, passed, broke };
    struct party;

    void end_round_locked(outcome how, detail::wake_list& wakes) noexcept;

    std::size_t const parties_;
    detail::spin_mutex mutable lock_;  // guards the rest
    std::size_t waiting_ = 0;
    bool broken_ = false;
    detail::wait_list waiters_;  // of parties
};

}  // namespace coir
