// SPDX-License-Identifier: BSL-1.0
#pragma once

// Looking before one sleeps, and for how long: as long as it has paid lately.

#include <coir/core/base/config.hpp>

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
        duration const next = paid ? k_most : now >= k_least ? now / 16 : duration::zero();
        if (next != now) {  // others read it all the time
            budget_.store(next, std::memory_order_relaxed);
        }
    }

private:
    std::atomic<duration> budget_{k_most};
    std::atomic<unsigned> skipped_{0};
};

/// Looks until `seen()`, at most for `at_most`, and not after `stop()`, which is asked less often. True if it was seen. Does not
/// give way to others by sched_yield: where there are any, that costs a whole slice of theirs.
template <class Seen, class Stop>
bool look_until(Seen seen, std::chrono::nanoseconds at_most, Stop stop) noexcept {
    constexpr int k_looks_between_clocks = 32;
    auto const give_up = std::chrono::steady_clock::now() + at_most;
    for (;;) {
        for (int i = 0; i < k_looks_between_clocks; ++i) {
            if (seen()) {
                return true;
            }
            spin_pause();
        }
        if (stop() || std::chrono::steady_clock::now() >= give_up) {
            return false;
        }
    }
}

}  // namespace coir::detail
