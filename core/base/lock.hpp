// SPDX-License-Identifier: BSL-1.0
#pragma once

// The lock of the runtime's own short critical sections.
//
// unlock() is one plain store, so that an uncontended lock costs one read-modify-write in all. The price: a waiter
// cannot be woken by the holder. It spins a bounded number of times, then offers its core, then naps; a holder that was
// preempted inside its few instructions therefore delays a waiter by at most a nap, and spinners never keep it off
// the core (threads may outnumber cores). Rejected: a futex lock, whose unlock needs a second read-modify-write.
// Rules: nobody suspends a task, runs user code or wakes anybody while holding one.
//
// Orderings: the acquire of lock() and wait_until_released() pairs with the release of unlock(). Who has seen something that
// was written under the lock sees it held too, or released later.

#include <coir/core/base/back_off.hpp>
#include <coir/core/base/config.hpp>

#include <atomic>

namespace coir::detail {

class spin_mutex {
public:
    constexpr spin_mutex() noexcept = default;
    spin_mutex(spin_mutex const&) = delete;
    spin_mutex& operator=(spin_mutex const&) = delete;

    void lock() noexcept {
        if (!try_lock()) [[unlikely]] {
            lock_contended();
        }
    }

    bool try_lock() noexcept { return !held_.exchange(true, std::memory_order_acquire); }

    void unlock() noexcept { held_.store(false, std::memory_order_release); }

    /// Returns when whoever holds it has let go; who does not yet hold it does not count. For who was let pass by somebody under
    /// this lock, and may now destroy it. No read-modify-write if nobody holds it.
    void wait_until_released() noexcept {
        if (held_.load(std::memory_order_acquire)) [[unlikely]] {
            lock();
            unlock();
        }
    }

private:
    COIR_COLD void lock_contended() noexcept {
        back_off wait;
        do {
            wait.pause();
        } while (held_.load(std::memory_order_relaxed) || !try_lock());
    }

    std::atomic<bool> held_{false};
};

}  // namespace coir::detail
