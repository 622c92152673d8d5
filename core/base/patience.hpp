// SPDX-License-Identifier: BSL-1.0
#pragma once

// How long to look before one sleeps: as long as it has paid lately.

#include <algorithm>
#include <atomic>
#include <chrono>

namespace coir::detail {

/// A bound for spinning that adapts. Any thread may ask and tell; what gets lost between two of them does not matter.
///
/// A wait that ended within k_most restores the whole bound, one that did not leaves a sixteenth of it, and the second in a
/// row nothing. Who cannot tell how long its waits are while it does not spin tries again now and then. (Halving it costs too
/// much where who is waited for has been put on this very core, and gets on only when nobody spins there.)
class patience {
public:
    using duration = std::chrono::nanoseconds;

    // What it takes to wake both sides, on a machine of which others have a part. Less, and two sides that both sleep would
    // stay so: neither would find that looking pays.
    static constexpr duration k_most = std::chrono::microseconds(100);
    static constexpr duration k_least = std::chrono::microseconds(4);
    static constexpr unsigned k_between_tries = 16;

    /// For the next wait; zero: sleep at once.
    duration budget() noexcept {
        duration const now = budget_.load(std::memory_order_relaxed);
        if (now >= k_least) {
            return now;
        }
        unsigned const skipped = skipped_.load(std::memory_order_relaxed) + 1;
        skipped_.store(skipped % k_between_tries, std::memory_order_relaxed);
        return skipped == k_between_tries ? k_most : duration::zero();
    }

    /// A wait was, or would have been, over within k_most; or not.
    void tell(bool paid) noexcept {
        duration const now = budget_.load(std::memory_order_relaxed);
        budget_.store(paid ? k_most : now >= k_least ? now / 16 : duration::zero(), std::memory_order_relaxed);
    }

private:
    std::atomic<duration> budget_{k_most};
    std::atomic<unsigned> skipped_{0};
};

}  // namespace coir::detail
