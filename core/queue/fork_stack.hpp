// SPDX-License-Identifier: BSL-1.0
#pragma once

// The calls that a worker has put off and others may take: newest first for the owner, oldest first for thieves. The
// protocol is that of Cilk-5 (Frigo, Leiserson, Randall 1998, "THE"), its fence on the owner's side replaced by an
// asymmetric one: a push and a pop are a handful of plain instructions, a theft is a lock and a system call, which keeps the
// owner as well (where the kernel has to interrupt a virtual processor, for some 10 µs). So a thief asks first: at its
// next push the owner gives its oldest item away itself. A thief takes by force only from an owner that does not push.
//
// Roles
//   owner    one thread: pushes and pops, and gives when it was asked.
//   thieves  any other threads: ask; take, one at a time, under the lock.
//
// Invariants
//   1. The items lie in the slots [top, bottom). bottom is written by the owner only, top under the lock only.
//   2. To take an item means to move an end over it and then to look at the other end, with a fence between. If owner and
//      thief meet at the last item, at least one sees the other's move. A thief that does, moves back; an owner
//      that does waits for the lock, behind which top has come to rest. An owner that gives its oldest item away moves top
//      under the lock, and need not look at itself.
//   3. What thieves took are the oldest ones. So when the owner finds its newest item taken, nothing is left, and both ends
//      start anew at 0.
//   4. To ask is to make the next push fail, so it costs the owner nothing until then. A request may be lost (the owner sets the
//      limit anew meanwhile) or come to nothing (the item is gone): who asks does not rely on it.
//
// Orderings
//   O1  bottom: release in push (every store, as a thief may read any of them), acquire in take_oldest: the item, what it
//       points to, and the slots.
//   F1/F2  light_fence() in pop, heavy_fence() in take_oldest: invariant 2.
//
// Rejected: the deque next door (its take_back needs a full fence, 4 of the 8 ns of a fork and join); an item's own
// state as the only claim (one read-modify-write for each call, stolen or not).

#include <coir/core/base/asymmetric_fence.hpp>
#include <coir/core/base/atomic.hpp>
#include <coir/core/base/config.hpp>
#include <coir/core/base/lock.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace coir::detail {

template <class T, class Lock = spin_mutex>
class fork_stack {
public:
    fork_stack() = default;
    fork_stack(fork_stack const&) = delete;
    fork_stack& operator=(fork_stack const&) = delete;

    // --- the owner -------------------------------------------------------------------------------------------------

    /// False: there is no room, or none yet.
    COIR_ALWAYS_INLINE bool push(T* item) noexcept {
        std::uint32_t const bottom = bottom_.load(memory_order_relaxed);
        if (bottom >= limit_.load(memory_order_relaxed)) [[unlikely]] {
            return false;
        }
        slots_[bottom].store(item, memory_order_relaxed);
        bottom_.store(bottom + 1,
                      fenced(COIR_MODEL_WEAKEN(fork_push, memory_order_release, memory_order_relaxed)));  // O1
        return true;
    }

    /// Takes back the newest item, of which the owner knows that it was here when it last looked. False: a thief has it,
    /// and nothing is left.
    COIR_ALWAYS_INLINE bool pop() noexcept {
        std::uint32_t const newest = bottom_.load(memory_order_relaxed) - 1;
        bottom_.store(newest, fenced(memory_order_release));                                   // O1
        light_fence(COIR_MODEL_WEAKEN(fork_pop, memory_order_seq_cst, memory_order_relaxed));  // F1, partner F2
        if (top_.load(fenced(memory_order_relaxed)) > newest) [[unlikely]] {
            return pop_contended(newest);
        }
        return true;
    }

    /// True if there is certainly nothing. (What top says is not certain: a thief may be about to move it back.)
    bool surely_empty() const noexcept { return bottom_.load(memory_order_relaxed) == 0; }

    /// Gives each item to `give`, oldest first: thieves cannot have them any more.
    template <class Give>
    void take_all(Give&& give) {
        std::uint32_t first;
        std::uint32_t last;
        {
            std::lock_guard const guard(lock_);
            first = top_.load(memory_order_relaxed);
            last = bottom_.load(memory_order_relaxed);
            start_anew();
        }
        for (; first < last; ++first) {
            give(*slots_[first].load(memory_order_relaxed));
        }
    }

    /// When push() has refused: makes room for so many items if there is none yet, or forgets what thieves took. False: there
    /// is none to be had. Throws std::bad_alloc. `ask_always`: push() goes on refusing.
    bool push_slowly(T* item, std::uint32_t capacity, bool ask_always) {
        if (slots_ == nullptr) {
            prepare_asymmetric_fences();
            slots_ = std::make_unique<atomic<T*>[]>(capacity);
        } else {
            std::lock_guard const guard(lock_);
            if (!holds_any()) {
                start_anew();
            }
        }
        limit_.store(capacity, memory_order_relaxed);
        bool const pushed = push(item);
        if (ask_always) {
            limit_.store(0, memory_order_relaxed);
        }
        return pushed;
    }

    /// When push() has refused: gives the oldest item to `give`, if a thief has asked for one.
    template <class Give>
    void give_if_asked(Give&& give) {
        if (!asked_.load(memory_order_relaxed)) {
            return;
        }
        asked_.store(false, memory_order_relaxed);
        T* oldest = nullptr;
        {
            std::lock_guard const guard(lock_);
            std::uint32_t const top = top_.load(memory_order_relaxed);
            if (top >= bottom_.load(memory_order_relaxed)) {
                return;
            }
            oldest = slots_[top].load(memory_order_relaxed);
            top_.store(top + 1, fenced(memory_order_relaxed));
        }
        give(*oldest);
    }

    // --- anybody ---------------------------------------------------------------------------------------------------

    /// A glance; the truth under the lock only.
    bool holds_any() const noexcept { return bottom_.load(memory_order_relaxed) > top_.load(memory_order_relaxed); }

    // --- thieves ---------------------------------------------------------------------------------------------------

    /// The owner is to give its oldest item away at its next push.
    void ask() noexcept {
        asked_.store(true, memory_order_relaxed);
        limit_.store(0, memory_order_relaxed);
    }

    /// Calls `give(item)` for the oldest item and takes it if that returns true. False: it did not, there is none, or
    /// somebody else is at it. What the owner does behind a take_all() or a failed pop() happens after the call.
    template <class Give>
    bool take_oldest(Give&& give) {
        std::unique_lock const held(lock_, std::try_to_lock);
        if (!held.owns_lock()) {
            return false;
        }
        std::uint32_t const top = top_.load(memory_order_relaxed);
        top_.store(top + 1, fenced(memory_order_relaxed));
        heavy_fence(COIR_MODEL_WEAKEN(fork_take, memory_order_seq_cst, memory_order_relaxed));  // F2, partner F1
        if (top >= bottom_.load(fenced(memory_order_acquire))) {                                // O1
            top_.store(top, fenced(memory_order_relaxed));
            return false;
        }
        bool given = false;
        try {
            given = give(*slots_[top].load(memory_order_relaxed));
        } catch (...) {
            top_.store(top, fenced(memory_order_relaxed));
            throw;
        }
        if (!given) {
            top_.store(top, fenced(memory_order_relaxed));
        }
        return given;
    }

private:
    COIR_COLD bool pop_contended(std::uint32_t newest) noexcept {
        std::lock_guard const guard(lock_);
        if (top_.load(memory_order_relaxed) <= newest) {
            return true;  // the thief has moved back
        }
        start_anew();
        return false;
    }

    void start_anew() noexcept {
        bottom_.store(0, fenced(memory_order_release));
        top_.store(0, fenced(memory_order_relaxed));
    }

    // The owner's line.
    alignas(k_false_sharing_range) atomic<std::uint32_t> bottom_{0};
    atomic<std::uint32_t> limit_{0};
    std::unique_ptr<atomic<T*>[]> slots_;

    // The thieves'.
    alignas(k_false_sharing_range) atomic<std::uint32_t> top_{0};
    atomic<bool> asked_{false};
    Lock lock_;
};

}  // namespace coir::detail
