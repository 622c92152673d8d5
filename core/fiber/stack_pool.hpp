// SPDX-License-Identifier: BSL-1.0
#pragma once

// Guarded stacks of one size, handed out and taken back. See README.md for the layout and the figures.
//
// Roles: any thread acquires, releases and trims.
//
// Every slot of every mapped slab is in exactly one place: with an owner, in `warm_`, in `cold_`, in `raw_`, or in the
// hands of one running call.
//   warm_  guarded, with pages of memory that were used before; last in, first out
//   cold_  guarded, without memory: trimmed, or not used yet
//   raw_   not guarded yet
//
// Invariants
//   1. Each of the three lists has capacity for every slot there is, so giving back never allocates and never throws.
//   2. A slot outside raw_ is guarded, until its slab is unmapped.
//   3. No system call is made under lists_. growth_ is held while a slab is mapped, so that threads which all find the
//      pool empty map one slab and not one each.  Order: growth_, then lists_.

#include "core/fiber/guard.hpp"
#include "core/fiber/slab.hpp"
#include "core/fiber/stack.hpp"

#include <coir/core/base/lock.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace coir::detail {

class stack_pool {
public:
    /// The process's pool for stacks of this size (rounded up to pages, 0: the default), made on first use and never
    /// destroyed: tasks may outlive the runtime that started them. Throws stack_allocation_error for absurd sizes.
    static stack_pool& for_size(std::size_t size);

    /// A pool outside of the register, for tests. It too is never destroyed.
    explicit stack_pool(std::size_t size, guard_kind kind = best_guard_kind());
    stack_pool(stack_pool const&) = delete;
    stack_pool& operator=(stack_pool const&) = delete;

    /// A stack; the most recently released one if there is any. Throws stack_allocation_error.
    stack acquire();

    /// Fills `out` from the front and returns how many it could fill: at least one. Throws stack_allocation_error if
    /// there is none to be had. At most k_batch per call.
    std::size_t acquire_batch(std::span<stack> out);

    void release(stack const& s) noexcept { release_batch({&s, 1}); }

    /// All of them must come from this pool. The last one is handed out first.
    void release_batch(std::span<stack const> stacks) noexcept;

    /// Gives the memory of idle stacks back to the system, except of the `keep_warm` most recently released ones; slabs
    /// without any stack in use go altogether. Slow (about a microsecond a stack) and not on any hot path, but other
    /// threads may go on using the pool. Returns how many stacks lost their memory.
    std::size_t trim(std::size_t keep_warm = 0);

    /// trim() on every pool of the process.
    static std::size_t trim_all(std::size_t keep_warm_each = 0);

    /// What the user asked for, in whole pages.
    std::size_t stack_size() const noexcept { return geometry_.nominal; }
    stack_geometry const& geometry() const noexcept { return geometry_; }

    struct counts {
        std::size_t mapped;  ///< stacks in all slabs
        std::size_t warm;    ///< idle, holding memory
        std::size_t cold;    ///< idle, without memory: trimmed or never used
    };
    counts count() const;

    /// How many stacks are guarded in one system call, and handed out at most by one call.
    static constexpr std::size_t k_batch = 32;

private:
    ~stack_pool() = default;

    using slots = std::vector<std::byte*>;
    struct taken {
        std::size_t count;
        std::size_t guarded;  // the first so many of them
    };

    enum class idle_state : unsigned char { warm, cold, raw };
    struct idle_slot {
        std::byte* low;
        idle_state state;
    };

    taken take(std::size_t wanted, std::span<std::byte*, k_batch> out);
    stack stack_in(std::byte* slot) noexcept;

    void grow();
    slab& map_slab();
    void reserve_lists(std::size_t total);

    void take_idle(std::vector<idle_slot>& idle, std::size_t keep_warm);
    bool give_back_slab(slab& home);
    void give_back_pages(std::span<idle_slot const> idle) noexcept;

    [[noreturn]] void throw_cannot_map(int error) const;
    [[noreturn]] void throw_cannot_guard(int error) const;

    stack_geometry const geometry_;
    guard_kind const guard_kind_;

    spin_mutex growth_;  // guards, up to the next lock:
    std::size_t next_slab_count_;
    std::size_t slabs_ever_ = 0;
    std::size_t slots_ever_ = 0;      // in all of them, mapped or vacant
    std::size_t lists_capacity_ = 0;  // of warm_, cold_ and raw_ each
    std::vector<slab*> vacant_;       // unmapped, to be mapped again before new ones are made

    spin_mutex mutable lists_;  // guards:
    slots warm_;
    slots cold_;
    slots raw_;
    std::size_t mapped_ = 0;

    stack_pool* next_ = nullptr;  // in the process's register
};

}  // namespace coir::detail
