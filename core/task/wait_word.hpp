// SPDX-License-Identifier: BSL-1.0
#pragma once

// One wait, many wakers, one winner.
//
// Roles
//   waiter     the task or thread that waits; owns the word, prepares it before each wait
//   claimers   whoever may end the wait: a notifier, a timer, a cancellation; the first to set k_claimed has won, and
//              with it the reason that the waiter will see
//   publisher  the code that runs once the waiter's fiber has left its stack (a thread: right before it sleeps)
//
// Bits
//   k_suspended      set by the publisher: the waiter is off its stack, whoever finds this must put it back to work
//   k_claimed        set once per wait, together with the reason
//   k_woken          set by the winner when everything that it hands over is written
//   k_cancellable    set by prepare(): a cancellation may claim
//   k_cancel_hint    set by a canceller that found the waiter not suspended: the publisher then claims in its place
//
// Invariants
//   1. Between two prepare() calls k_claimed is set at most once.
//   2. Exactly one of winner and publisher sees the other's bit and makes the waiter ready: both change the same word
//      by read-modify-write (k_woken by the winner, k_suspended by the publisher), and one of them comes second. A winner that
//      sees k_suspended already is alone with the word, and stores.
//   3. A wake that comes before the waiter has left its stack is absorbed: the winner only sets k_woken, and the
//      publisher, on the other stack, makes the waiter ready.
//   4. After wake() the winner touches neither the waiter nor anything on its stack, unless it was told to make it
//      ready: until that has happened the waiter's stack is frozen. The publisher touches neither after it has
//      published: the waiter may have gone on, ended and been freed. (Hence the hint: rejected was a publisher that
//      re-reads the cancel word, for which it would have to hold a reference.)
//   5. No request is missed: the waiter prepares, then looks at its cancel word; a canceller sets the request, then
//      looks at this word. Either the waiter sees the request, or the canceller finds the prepared word and leaves its
//      hint or its claim there. Both steps of both sides are seq_cst.
//
// Why no epoch: every claimer other than a cancellation claims under the lock of the list or timer heap in which it
// found the waiter, and the waiter leaves that list under the same lock before it prepares again. A cancellation that
// claims a later wait than the one it saw claims it rightly: the request is still there, because the waiter clears it
// only under the lock that the canceller holds meanwhile.
//
// Orderings: all read-modify-writes are seq_cst (invariants 2 and 5). k_woken as released by the winner pairs with the
// acquire of publish_suspended(), is_woken() and reason(): what the winner wrote is seen by the waiter. k_suspended as released
// by the publisher pairs with the acquire of wake(): the winner may put the stack that was left to work. Relaxed loads
// only feed a compare-exchange.

#include <coir/core/base/atomic.hpp>

#include <cstdint>

namespace coir::detail {

/// What ended a wait.
enum class wake_reason : std::uint32_t { none = 0, notified = 1, timed_out = 2, cancelled = 3 };

/// What the caller of a transition has to do next.
enum class wait_step : std::uint8_t {
    lost,        ///< somebody else ended this wait
    nothing,     ///< done; whoever comes next does the rest
    make_ready,  ///< the waiter has left its stack and was woken: put it back to work
};

class wait_word {
public:
    static constexpr std::uint32_t k_suspended = 1;
    static constexpr std::uint32_t k_claimed = 2;
    static constexpr std::uint32_t k_woken = 4;
    static constexpr std::uint32_t k_cancellable = 8;
    static constexpr std::uint32_t k_cancel_hint = 16;

    /// By the waiter, before it makes itself known to any claimer and before it looks for cancellation requests.
    void prepare(bool cancellable) noexcept {
        word_.exchange(cancellable ? k_cancellable : 0,
                       COIR_MODEL_WEAKEN(wait_prepare, memory_order_seq_cst, memory_order_relaxed));
    }

    /// By a claimer: true if it is the one that ends this wait. It then hands over what there is and calls wake().
    [[nodiscard]] bool try_claim(wake_reason reason) noexcept {
        std::uint32_t seen = word_.load(memory_order_relaxed);
        while ((seen & k_claimed) == 0) {
            if (word_.compare_exchange_weak(seen, seen | claim_bits(reason), memory_order_seq_cst,
                                            memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }

    /// By the winner, last. Nobody else changes the word of a suspended waiter whose wait is claimed.
    [[nodiscard]] wait_step wake() noexcept {
        std::uint32_t const seen = word_.load(memory_order_acquire);
        if ((seen & k_suspended) != 0) {
            word_.store(seen | k_woken, memory_order_release);
            return wait_step::make_ready;
        }
        return (word_.fetch_or(k_woken, memory_order_seq_cst) & k_suspended) != 0 ? wait_step::make_ready
                                                                                  : wait_step::nothing;
    }

    /// try_claim() and wake() in one step, for a winner that hands nothing over.
    [[nodiscard]] wait_step try_claim_and_wake(wake_reason reason) noexcept {
        std::uint32_t seen = word_.load(memory_order_relaxed);
        while ((seen & k_claimed) == 0) {
            if (word_.compare_exchange_weak(seen, seen | claim_bits(reason) | k_woken, memory_order_seq_cst,
                                            memory_order_relaxed)) {
                return (seen & k_suspended) != 0 ? wait_step::make_ready : wait_step::nothing;
            }
        }
        return wait_step::lost;
    }

    /// By the canceller, who has set its request and holds the lock of the cancel word: ends a cancellable wait that has
    /// been published, and leaves a hint for the publisher of one that has not.
    [[nodiscard]] wait_step cancel() noexcept {
        std::uint32_t seen = word_.load(memory_order_seq_cst);
        while ((seen & k_claimed) == 0) {
            std::uint32_t next = seen | k_cancel_hint;
            if ((seen & k_suspended) != 0) {
                if ((seen & k_cancellable) == 0) {
                    return wait_step::nothing;  // stays a request, for a later wait
                }
                next = seen | claim_bits(wake_reason::cancelled) | k_woken;
            }
            if (word_.compare_exchange_weak(seen, next, memory_order_seq_cst, memory_order_relaxed)) {
                return (next & k_claimed) != 0 ? wait_step::make_ready : wait_step::nothing;
            }
        }
        return wait_step::lost;
    }

    /// By the publisher, once the waiter has left its stack. After `nothing` the waiter is gone from its sight.
    [[nodiscard]] wait_step publish_suspended() noexcept {
        std::uint32_t seen = word_.load(memory_order_acquire);
        for (;;) {
            if ((seen & k_woken) != 0) {
                return wait_step::make_ready;
            }
            std::uint32_t next = seen | k_suspended;
            if ((seen & (k_cancel_hint | k_cancellable | k_claimed)) ==
                COIR_MODEL_WEAKEN(wait_publish, (k_cancel_hint | k_cancellable), ~std::uint32_t{0})) {
                next |= claim_bits(wake_reason::cancelled) | k_woken;
            }
            if (word_.compare_exchange_weak(seen, next, memory_order_seq_cst, memory_order_acquire)) {
                return (next & k_woken) != 0 ? wait_step::make_ready : wait_step::nothing;
            }
        }
    }

    bool is_woken() const noexcept { return (word_.load(memory_order_acquire) & k_woken) != 0; }

    /// By the waiter, after it was woken.
    wake_reason reason() const noexcept {
        return static_cast<wake_reason>(word_.load(memory_order_acquire) >> k_reason_shift);
    }

    /// For a thread, which sleeps on the word itself.
    atomic<std::uint32_t>& raw() noexcept { return word_; }

private:
    static constexpr unsigned k_reason_shift = 5;

    static constexpr std::uint32_t claim_bits(wake_reason reason) noexcept {
        return k_claimed | static_cast<std::uint32_t>(reason) << k_reason_shift;
    }

    atomic<std::uint32_t> word_{0};
};

}  // namespace coir::detail
