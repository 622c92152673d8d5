// SPDX-License-Identifier: BSL-1.0
#pragma once

// A worker's own queue of pointers (Chase and Lev's growing work-stealing deque), in the orderings of Lê, Pop, Cohen
// and Zappella Nardelli ("Correct and efficient work-stealing for weak memory models", 2013).
//
// Roles
//   owner    one thread at a time (passing the role on needs a happens-before edge of its own): pushes at the bottom,
//            takes from the front (top: oldest first) or from the back (bottom: newest first).
//   thieves  any other threads: take from the front, one by one.
//   The two are different handle types, so a thief has no push to call.
//
// Invariants
//   1. The deque holds the items of the indices [top, bottom). Indices are 64 bits wide, only top ever grows by
//      taking, and none is used again for top: a CAS on top has no ABA. They may start anywhere and wrap; they are
//      only compared by their distance.
//   2. bottom is written by the owner only. top is written by whoever takes at the front, by CAS; by the owner alone,
//      with plain stores, if the deque is not shared.
//   3. Index i lies in slot i & mask of the current ring. The owner overwrites a slot only after it has seen
//      top > i for the index that was in it: a thief with a stale top reads rubbish, and its CAS fails.
//   4. A ring is never written again once it is outgrown and is freed with the deque, so a slow thief may go on
//      reading from it: what it finds there at its top is right as long as its CAS succeeds.
//   5. Only take_back() takes without a CAS, and only an index that it has seen to be beyond top after announcing it
//      (bottom lowered, then the fence F1). A thief reads top, then bottom behind its fence F2. Either the thief sees
//      the lowered bottom, or the owner sees the thief's top: not both can miss.
//   6. If the deque is not shared, the owner may take an item out of the middle, which leaves a hole (null). The item next
//      to bottom is never a hole, so what is not empty holds an item, and to look for the oldest one needs no bound.
//      (With thieves a hole would not do: one that has read the item before may still win its CAS on top afterwards, and
//      nobody could tell whether it has the item or the hole.)
//
// Orderings
//   O1  bottom: release in push, acquire in steal: the item, what it points to, and the ring that holds it.
//       Every store to bottom is a release, as a thief may read any of them.
//   O2  ring: release in grow, acquire in steal: the slots copied into it.
//   O3  top: the thief's CAS releases, make_room() acquires: the thief has read the slot before it is overwritten.
//       The owner's own CAS in take_front() is relaxed: it read a slot that only it writes, and as a
//       read-modify-write it stays in the release sequence of the thief's CAS before it.
//   F1/F2  the seq_cst fences of take_back() and steal(): invariant 5. FIFO use alone would not need them.
//
// Rejected: a bounded ring that overflows into the injector (a batch of ready tasks larger than the ring goes where it
// is rarely looked at: long tails); taking several items by one CAS (unsound next to take_back, which takes without
// one); shrinking (needs epochs or hazard pointers for nothing that was ever measured).

#include "core/base/fault.hpp"

#include <coir/core/base/assert.hpp>
#include <coir/core/base/atomic.hpp>
#include <coir/core/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace coir::detail {

template <class T>
class deque_owner;
template <class T>
class deque_thief;

enum class steal_status {
    none,  ///< it was empty
    lost,  ///< somebody else took the item: worth another try
    item,  ///< here it is
};

template <class T>
struct steal_result {
    steal_status status = steal_status::none;
    T* item = nullptr;
    std::size_t moved = 0;  ///< how many more were moved into the thief's own deque (steal_half)
};

struct deque_options {
    bool shared = true;  ///< false: there are no thieves, ever (one worker), and taking is plain loads and stores
    std::size_t capacity = 256;    ///< a power of two; guessed: larger than one poll's batch of ready tasks
    std::int64_t first_index = 0;  ///< for tests of the wrap
};

/// The storage. Everything goes through owner() and thief().
template <class T>
class deque {
public:
    deque() : deque(deque_options{}) {}

    explicit deque(deque_options const& options)
        : bottom_(options.first_index), top_seen_(options.first_index), shared_(options.shared),
          top_(options.first_index) {
        COIR_VERIFY(options.capacity > 0 && (options.capacity & (options.capacity - 1)) == 0);
        adopt(std::make_unique<ring>(options.capacity));
    }

    deque(deque const&) = delete;
    deque& operator=(deque const&) = delete;

    /// For the one thread that owns the deque now.
    deque_owner<T> owner() noexcept { return deque_owner<T>(*this); }

    /// For everybody else.
    deque_thief<T> thief() noexcept { return deque_thief<T>(*this); }

private:
    friend class deque_owner<T>;
    friend class deque_thief<T>;

    using index = std::int64_t;

    struct ring {
        explicit ring(std::size_t capacity)
            : mask(static_cast<index>(capacity) - 1), slots(std::make_unique<atomic<T*>[]>(capacity)) {}

        atomic<T*>& slot(index i) const noexcept { return slots[static_cast<std::size_t>(i & mask)]; }

        index const mask;
        std::unique_ptr<atomic<T*>[]> const slots;
        std::unique_ptr<ring> older;  // invariant 4
    };

    // Unsigned inside, as the indices may wrap.
    static index distance(index from, index to) noexcept {
        return static_cast<index>(static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from));
    }
    static index advanced(index i, index by) noexcept {
        return static_cast<index>(static_cast<std::uint64_t>(i) + static_cast<std::uint64_t>(by));
    }

    void adopt(std::unique_ptr<ring> next) noexcept {
        mask_ = next->mask;
        slots_ = next->slots.get();
        next->older = std::move(rings_);
        rings_ = std::move(next);
        ring_.store(rings_.get(), COIR_MODEL_WEAKEN(deque_grow, memory_order_release, memory_order_relaxed));  // O2
    }

    COIR_COLD void make_room(index bottom, index count) {
        top_seen_ = top_.load(memory_order_acquire);  // O3
        index const needed = advanced(distance(top_seen_, bottom), count);
        std::size_t capacity = static_cast<std::size_t>(mask_) + 1;
        if (needed <= static_cast<index>(capacity)) {
            return;
        }
        while (static_cast<index>(capacity) < needed) {
            capacity *= 2;
        }
        COIR_FAULT_NO_MEMORY(queue_memory);
        auto bigger = std::make_unique<ring>(capacity);  // nothing has changed yet if this throws
        for (index i = top_seen_; i != bottom; i = advanced(i, 1)) {
            bigger->slot(i).store(slot(i).load(memory_order_relaxed), memory_order_relaxed);
        }
        adopt(std::move(bigger));
    }

    void put(index bottom, T* item) noexcept {
        slot(bottom).store(item, memory_order_relaxed);
        bottom_.store(advanced(bottom, 1),
                      COIR_MODEL_WEAKEN(deque_push, memory_order_release, memory_order_relaxed));  // O1
    }

    // Of [top, bottom) without the holes at its back: where it ends.
    index without_holes(index top, index bottom) const noexcept {
        while (bottom != top && slot(advanced(bottom, -1)).load(memory_order_relaxed) == nullptr) {
            bottom = advanced(bottom, -1);
        }
        return bottom;
    }

    // Here and not in the owner's handle, and as a tail call: so push() spills neither the handle nor registers for it.
    COIR_COLD void push_into_full(T* item) {
        index const bottom = bottom_.load(memory_order_relaxed);
        make_room(bottom, 1);
        put(bottom, item);
    }

    atomic<T*>& slot(index i) const noexcept { return slots_[static_cast<std::size_t>(i & mask_)]; }

    // The owner's line. Thieves read bottom_ and ring_ from it, and the owner writes bottom_ with every push anyway.
    alignas(k_false_sharing_range) atomic<index> bottom_;
    index top_seen_;               // some earlier value of top: at most this far back do the items reach
    index mask_ = 0;               // of *rings_
    atomic<T*>* slots_ = nullptr;  // of *rings_
    atomic<ring*> ring_{nullptr};  // what thieves read
    bool const shared_;
    std::unique_ptr<ring> rings_;  // the newest, which holds the older ones

    // Written by everybody who takes at the front.
    alignas(k_false_sharing_range) atomic<index> top_;
};

/// What the owning thread may do. A view: copy it freely, it lives no longer than the deque.
template <class T>
class deque_owner {
public:
    explicit deque_owner(deque<T>& queue) noexcept : queue_(&queue) {}

    /// Adds at the back. No read-modify-write, no fence. May grow: throws std::bad_alloc with the deque unchanged.
    void push(T* item) const {
        if (!try_push(item)) [[unlikely]] {
            return queue_->push_into_full(item);
        }
    }

    /// push() that does not grow: false if there is no room.
    bool try_push(T* item) const noexcept {
        index const bottom = queue_->bottom_.load(memory_order_relaxed);
        if (deque<T>::distance(queue_->top_seen_, bottom) > queue_->mask_) [[unlikely]] {
            return false;
        }
        queue_->put(bottom, item);
        return true;
    }

    /// The next `count` pushes will neither grow nor throw (takes in between only help). Throws std::bad_alloc.
    void reserve(std::size_t count) const {
        index const bottom = queue_->bottom_.load(memory_order_relaxed);
        index const needed = static_cast<index>(count);
        if (deque<T>::distance(queue_->top_seen_, bottom) + needed > queue_->mask_ + 1) {
            queue_->make_room(bottom, needed);
        }
    }

    /// The oldest item, or null. One CAS if shared (one more for each race lost to a thief), none if not.
    T* take_front() const noexcept {
        index const bottom = queue_->bottom_.load(memory_order_relaxed);
        index top = queue_->top_.load(memory_order_relaxed);
        for (;;) {
            if (deque<T>::distance(top, bottom) <= 0) {
                return nullptr;
            }
            T* const item = queue_->slot(top).load(memory_order_relaxed);
            index const next = deque<T>::advanced(top, 1);
            if (!queue_->shared_) {
                queue_->top_.store(next, memory_order_relaxed);
                if (item == nullptr) [[unlikely]] {
                    top = next;
                    continue;
                }
                return item;
            }
            if (queue_->top_.compare_exchange_weak(top, next, memory_order_relaxed, memory_order_relaxed)) {  // O3
                return item;
            }
        }
    }

    /// Takes the oldest item if it is this one. One CAS if shared and it looks so. False if it is another one, or lost to
    /// a thief.
    bool take_front_if(T* item) const noexcept {
        index top = queue_->top_.load(memory_order_relaxed);
        if (deque<T>::distance(top, queue_->bottom_.load(memory_order_relaxed)) <= 0 ||
            queue_->slot(top).load(memory_order_relaxed) != item) {
            return false;
        }
        index const next = deque<T>::advanced(top, 1);
        if (!queue_->shared_) {
            queue_->top_.store(next, memory_order_relaxed);
            return true;
        }
        return queue_->top_.compare_exchange_strong(top, next, memory_order_relaxed, memory_order_relaxed);  // O3
    }

    /// The newest item, or null. A fence if shared; a CAS for the last item only.
    T* take_back() const noexcept {
        index const bottom = queue_->bottom_.load(memory_order_relaxed);
        index const last = deque<T>::advanced(bottom, -1);
        // top only grows: what looks empty by an old top is empty.
        if (deque<T>::distance(queue_->top_.load(memory_order_relaxed), last) < 0) {
            return nullptr;
        }
        T* const item = queue_->slot(last).load(memory_order_relaxed);
        if (!queue_->shared_) {
            index const top = queue_->top_.load(memory_order_relaxed);
            queue_->bottom_.store(queue_->without_holes(top, last), memory_order_release);
            return item;
        }
        queue_->bottom_.store(last, fenced(memory_order_release));                                   // O1
        full_fence(COIR_MODEL_WEAKEN(deque_take_back, memory_order_seq_cst, memory_order_relaxed));  // F1, partner F2
        index top = queue_->top_.load(fenced(memory_order_relaxed));
        index const before_last = deque<T>::distance(top, last);
        if (before_last > 0) {
            return item;
        }
        bool const won = before_last == 0 &&
                         queue_->top_.compare_exchange_strong(top, bottom, memory_order_seq_cst, memory_order_relaxed);
        queue_->bottom_.store(bottom, memory_order_release);  // O1; empty now, with top == bottom
        return won ? item : nullptr;
    }

    /// Where the next push will put its item.
    std::int64_t next_place() const noexcept { return queue_->bottom_.load(memory_order_relaxed); }

    /// Not if shared. Takes this item from wherever it stands, if it is still where it was pushed; else false.
    COIR_ALWAYS_INLINE bool take_out(T* item, std::int64_t place) const noexcept {
        COIR_ASSERT(!queue_->shared_);
        index const top = queue_->top_.load(memory_order_relaxed);
        index const bottom = queue_->bottom_.load(memory_order_relaxed);
        if (!stands(item, place, top, bottom)) {
            return false;
        }
        index const next = deque<T>::advanced(place, 1);
        if (place == top) {
            queue_->top_.store(next, memory_order_relaxed);
        } else if (next == bottom) {
            queue_->bottom_.store(queue_->without_holes(top, place), memory_order_release);
        } else {
            queue_->slot(place).store(nullptr, memory_order_relaxed);
        }
        return true;
    }

    /// Not if shared. What was pushed just before this item, if both still stand where they were pushed; else null.
    T* before(T const* item, std::int64_t place) const noexcept {
        COIR_ASSERT(!queue_->shared_);
        index const top = queue_->top_.load(memory_order_relaxed);
        if (place == top || !stands(item, place, top, queue_->bottom_.load(memory_order_relaxed))) {
            return nullptr;
        }
        return queue_->slot(deque<T>::advanced(place, -1)).load(memory_order_relaxed);
    }

    /// The newest item or null, left where it is: by the time the caller looks, a thief may have it.
    T* peek_back() const noexcept {
        return empty() ? nullptr
                       : queue_->slot(deque<T>::advanced(queue_->bottom_.load(memory_order_relaxed), -1))
                             .load(memory_order_relaxed);
    }

    /// Exact but for thieves, who may have taken some since, and for holes (invariant 6), which it counts. It is never 0
    /// because of them, nor more than 0.
    std::size_t size() const noexcept {
        index const count =
            deque<T>::distance(queue_->top_.load(memory_order_relaxed), queue_->bottom_.load(memory_order_relaxed));
        return count > 0 ? static_cast<std::size_t>(count) : 0;
    }

    bool empty() const noexcept { return size() == 0; }

private:
    using index = typename deque<T>::index;

    /// Is this item still where it was pushed?
    COIR_ALWAYS_INLINE bool stands(T const* item, index place, index top, index bottom) const noexcept {
        return static_cast<std::uint64_t>(deque<T>::distance(top, place)) <
                   static_cast<std::uint64_t>(deque<T>::distance(top, bottom)) &&
               queue_->slot(place).load(memory_order_relaxed) == item;
    }

    deque<T>* queue_;
};

/// What any other thread may do. A view: copy it freely, it lives no longer than the deque.
template <class T>
class deque_thief {
public:
    explicit deque_thief(deque<T>& queue) noexcept : queue_(&queue) {}

    /// One try for the oldest item.
    steal_result<T> steal() const noexcept {
        index top = queue_->top_.load(fenced(memory_order_acquire));
        full_fence(COIR_MODEL_WEAKEN(deque_steal, memory_order_seq_cst, memory_order_relaxed));  // F2, partner F1
        index const bottom = queue_->bottom_.load(fenced(memory_order_acquire));                 // O1
        if (deque<T>::distance(top, bottom) <= 0) {
            return {};
        }
        auto const* const ring =
            queue_->ring_.load(COIR_MODEL_WEAKEN(deque_ring, memory_order_acquire, memory_order_relaxed));  // O2
        // Read before the CAS: afterwards the owner may overwrite it.
        T* const item = ring->slot(top).load(memory_order_relaxed);
        COIR_FAULT_DELAY(delay_steal);
        if (!queue_->top_.compare_exchange_strong(top, deque<T>::advanced(top, 1), memory_order_seq_cst,
                                                  memory_order_relaxed)) {  // O3
            return {steal_status::lost, nullptr, 0};
        }
        return {steal_status::item, item, 0};
    }

    /// Half of what is there (rounded up), at most `max` items: returns the oldest and moves the others, in their
    /// order, into the thief's own deque. Stops at the first race that it loses. Throws std::bad_alloc with nothing
    /// taken.
    steal_result<T> steal_half(deque_owner<T> into, std::size_t max) const {
        std::size_t const half = (size() + 1) / 2;
        std::size_t const wanted = half < max ? half : max;
        if (wanted == 0) {
            return {};
        }
        into.reserve(wanted - 1);
        steal_result<T> result = steal();
        if (result.status != steal_status::item) {
            return result;
        }
        while (result.moved + 1 < wanted) {
            steal_result<T> const next = steal();
            if (next.status != steal_status::item) {
                break;
            }
            into.push(next.item);
            ++result.moved;
        }
        return result;
    }

    /// As of some moment after the caller's last full fence: see core/park/idle.hpp for who relies on it.
    std::size_t size() const noexcept {
        index const count =
            deque<T>::distance(queue_->top_.load(memory_order_relaxed), queue_->bottom_.load(memory_order_relaxed));
        return count > 0 ? static_cast<std::size_t>(count) : 0;
    }

    bool empty() const noexcept { return size() == 0; }

private:
    using index = typename deque<T>::index;

    deque<T>* queue_;
};

}  // namespace coir::detail
