// SPDX-License-Identifier: BSL-1.0
#pragma once

// One mapping that holds many equal stacks, and the list of all of them that a signal handler may read.
//
// A slab is divided into slots of `stride` bytes. In each, from low to high addresses: the guard, the usable stack, and
// at the top up to 896 unused bytes (the stack's colour; see README.md).
//
// Roles
//   pools      map, publish, unmap and map again, each its own slabs, under the pool's locks
//   reader     the overflow handler: any thread, any moment, also in the middle of a pool's critical section
//
// Invariants
//   1. Nodes are never freed and never change their successor: a reader may walk the list without protection.
//   2. Everything but `base` is constant from publication on; a slab that is mapped again keeps its geometry and count.
//   3. `base` is null while nothing is mapped. A reader that sees a stale base is asking about an address in a slab
//      without any live stack, so nothing it could report would be about a running task.
//
// Protocol: publish() pushes onto the list's head by a release CAS; the reader's acquire load of the head, or of a
// `base` set later, is its partner.

#include <atomic>
#include <cstddef>

namespace coir::detail {

class stack_pool;

/// How the stacks of one size class lie in memory. All in bytes.
struct stack_geometry {
    std::size_t nominal;  ///< the size the user asked for, in whole pages
    std::size_t stride;   ///< from one stack to the next: an odd number of pages
    std::size_t guard;    ///< inaccessible, at the low end of each slot

    static stack_geometry for_size(std::size_t size);
    std::size_t usable() const noexcept { return stride - guard; }
};

class slab {
public:
    /// Maps `count` slots. Null when the kernel refuses; `error` then holds errno.
    static slab* map_new(stack_pool& owner, stack_geometry const& geometry, std::size_t count, int& error);

    /// Gives the whole mapping back, page tables and all. False when the kernel refuses: nothing has changed then.
    bool unmap() noexcept;

    /// Maps again what unmap() gave back. Returns errno.
    int map_again() noexcept;

    std::byte* base() const noexcept { return base_.load(std::memory_order_acquire); }  // partner: map_again()
    std::size_t count() const noexcept { return count_; }
    std::size_t bytes() const noexcept { return count_ * geometry_.stride; }
    stack_geometry const& geometry() const noexcept { return geometry_; }
    stack_pool& owner() const noexcept { return owner_; }

    bool contains(void const* address) const noexcept;

    /// The slab that holds `address`, of any pool, or null. Async-signal-safe and lock-free.
    static slab* find(void const* address) noexcept;

private:
    slab(stack_pool& owner, stack_geometry const& geometry, std::size_t count) noexcept
        : owner_(owner), geometry_(geometry), count_(count) {}

    stack_pool& owner_;
    stack_geometry const geometry_;
    std::size_t const count_;
    std::atomic<std::byte*> base_{nullptr};
    slab* next_ = nullptr;
};

}  // namespace coir::detail
