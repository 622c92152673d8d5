// SPDX-License-Identifier: BSL-1.0
#pragma once

// Idle fibers: stacks on which a worker's loop has run and will go on when it is switched to. A suspended loop knows
// nothing of the worker that it ran on, so any worker of any runtime may take it.
//
// Roles: workers, which keep a few of their own (idle_fibers, single owner) and exchange batches with the pool.

#include "core/fiber/fiber.hpp"
#include "core/fiber/switch.hpp"

#include <coir/core/base/lock.hpp>

#include <cstddef>

namespace coir::detail {

/// A stack of idle fibers, last in, first out: the warmest is used first. Not synchronised.
class fiber_list {
public:
    bool empty() const noexcept { return first_ == nullptr; }
    std::size_t size() const noexcept { return size_; }

    void push(fiber& f) noexcept {
        f.next = first_;
        first_ = &f;
        ++size_;
    }

    fiber& pop() noexcept {
        fiber& f = *first_;
        first_ = f.next;
        f.next = nullptr;
        --size_;
        return f;
    }

private:
    fiber* first_ = nullptr;
    std::size_t size_ = 0;
};

/// All idle fibers of one stack size in the process. Never destroyed.
class fiber_pool {
public:
    /// The pool for this size (0: the default). Throws std::bad_alloc.
    static fiber_pool& for_stack_size(std::size_t size);

    std::size_t stack_size() const noexcept;

    /// An idle fiber, or a new one that will start at `entry`. Throws std::bad_alloc.
    fiber& take(void (*entry)(fiber_thread*));
    /// Takes `count` fibers out of `from`.
    void give_back(fiber_list& from, std::size_t count) noexcept;

    /// Ends all idle fibers but `keep`, and gives their stacks back. Returns how many were ended.
    std::size_t trim(std::size_t keep) noexcept;

private:
    explicit fiber_pool(stack_pool& stacks) : stacks_(stacks) {}

    stack_pool& stacks_;
    fiber_pool* next_pool_ = nullptr;
    spin_mutex lock_;
    fiber_list idle_;
};

/// A fiber with a stack of this size that will start at `entry`; it lies at the top of its own stack. Throws
/// std::bad_alloc.
fiber& make_fiber(stack_pool& stacks, void (*entry)(fiber_thread*));

/// Ends a fiber that is suspended and holds nothing: its frames are dropped, its stack goes back to where it came from.
void end_fiber(fiber& f) noexcept;

}  // namespace coir::detail
