// SPDX-License-Identifier: BSL-1.0
#pragma once

// Whose turn it is: a lock whose waiters are queued, never blocked. What a strand is made of.
//
// Roles
//   comers   any thread: enter() takes the turn for an item, or leaves the item in the queue
//   holder   one at a time: whoever acts for the item that has the turn. leave() passes the turn to the next item and
//            returns it; the caller then is the holder on that one's behalf, until it has handed the item to others.
//
// inbox_ is 0 (nobody has the turn), k_held (somebody has it, nobody has come since the holder last looked), or the newest
// of those who came, linked from new to old. first_ is the holder's: those whom it has taken out of the inbox, from old to
// new. Items are linked through queue_next, which is the queue's as long as they are in it.
//
// Invariants
//   1. inbox_ is 0 exactly while nobody has the turn: one compare-exchange decides between "yours" and "queued", another
//      one, by the holder, between "free" and "somebody has come".
//   2. FIFO: who is in the holder's list came before everybody in the inbox. (push_front() is for an item that had the turn
//      and gets it back.)
//   3. After an unsuccessful enter() the comer touches neither the item nor the queue: the item may run, end, and end the
//      queue with it.
//
// Orderings: the release of a queueing enter() pairs with the acquire of the holder's exchange (the item's link), the
// release of a freeing leave() with the acquire of the enter() that finds the queue free (first_, and all that ran under
// the turn). From a holder to the one it passes the turn to the caller's own hand-over orders.

#include <coir/core/base/atomic.hpp>

#include <cstdint>
#include <utility>

namespace coir::detail {

template <class Item>
class turn_queue {
public:
    turn_queue() = default;
    turn_queue(turn_queue const&) = delete;
    turn_queue& operator=(turn_queue const&) = delete;

    /// True: the item has the turn. False: it was queued, and will be returned by some leave().
    [[nodiscard]] bool enter(Item& item) noexcept {
        std::uintptr_t seen = inbox_.load(memory_order_relaxed);
        for (;;) {
            if (seen == k_free) {
                if (inbox_.compare_exchange_weak(
                        seen, k_held, COIR_MODEL_WEAKEN(turn_take, memory_order_acquire, memory_order_relaxed),
                        memory_order_relaxed)) {
                    return true;
                }
                continue;
            }
            item.queue_next = seen == k_held ? nullptr : reinterpret_cast<Item*>(seen);
            if (inbox_.compare_exchange_weak(seen, reinterpret_cast<std::uintptr_t>(&item),
                                             COIR_MODEL_WEAKEN(turn_queue, memory_order_release, memory_order_relaxed),
                                             memory_order_relaxed)) {
                return false;
            }
        }
    }

    /// By the holder: the next item, which now has the turn, or null, and nobody has it.
    [[nodiscard]] Item* leave() noexcept {
        if (first_ == nullptr) {
            std::uintptr_t seen = k_held;
            if (inbox_.compare_exchange_strong(seen, k_free,
                                               COIR_MODEL_WEAKEN(turn_free, memory_order_release, memory_order_relaxed),
                                               memory_order_relaxed)) {
                return nullptr;
            }
            take_inbox();
        }
        Item* const next = first_;
        first_ = next->queue_next;
        return next;
    }

    /// By the holder: this item comes before all others.
    void push_front(Item& item) noexcept {
        item.queue_next = first_;
        first_ = &item;
    }

    /// By the holder: does anybody wait for the turn?
    bool has_waiting() const noexcept { return first_ != nullptr || inbox_.load(memory_order_relaxed) != k_held; }

private:
    static constexpr std::uintptr_t k_free = 0;
    static constexpr std::uintptr_t k_held = 1;

    // There is somebody in it, and the holder's own list is empty.
    void take_inbox() noexcept {
        auto* item = reinterpret_cast<Item*>(inbox_.exchange(k_held, memory_order_acquire));
        while (item != nullptr) {  // from new to old: turned round
            Item* const older = std::exchange(item->queue_next, first_);
            first_ = std::exchange(item, older);
        }
    }

    atomic<std::uintptr_t> inbox_{k_free};
    Item* first_ = nullptr;
};

}  // namespace coir::detail
