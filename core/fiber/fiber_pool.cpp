// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/fiber_pool.hpp"

#include "core/fiber/stack_pool.hpp"

#include <mutex>
#include <new>

namespace coir::detail {
namespace {

constexpr std::size_t k_fiber_alignment = 64;
constexpr std::size_t k_fiber_room = (sizeof(fiber) + k_fiber_alignment - 1) / k_fiber_alignment * k_fiber_alignment;

spin_mutex pools_lock;
fiber_pool* pools = nullptr;

}  // namespace

fiber& make_fiber(stack_pool& stacks, void (*entry)(fiber_thread*)) {
    stack const whole = stacks.acquire();
    // At the top of its stack: in the page that is touched anyhow.
    auto* const made = ::new (whole.top() - k_fiber_room) fiber;
    made->memory = whole;
    prepare_fiber(*made, entry);
    return *made;
}

void end_fiber(fiber& f) noexcept {
    f.sanitizer.detach();
    stack const whole = f.memory;
    f.~fiber();
    whole.pool->release(whole);
}

fiber_pool& fiber_pool::for_stack_size(std::size_t size) {
    stack_pool& stacks = stack_pool::for_size(size);
    std::lock_guard const guard(pools_lock);
    for (fiber_pool* pool = pools; pool != nullptr; pool = pool->next_pool_) {
        if (&pool->stacks_ == &stacks) {
            return *pool;
        }
    }
    auto* const made = new fiber_pool(stacks);
    made->next_pool_ = pools;
    pools = made;
    return *made;
}

std::size_t fiber_pool::stack_size() const noexcept {
    return stacks_.stack_size();
}

fiber& fiber_pool::take(void (*entry)(fiber_thread*)) {
    {
        std::lock_guard const guard(lock_);
        if (!idle_.empty()) {
            return idle_.pop();
        }
    }
    return make_fiber(stacks_, entry);
}

void fiber_pool::give_back(fiber_list& from, std::size_t count) noexcept {
    std::lock_guard const guard(lock_);
    for (; count != 0 && !from.empty(); --count) {
        idle_.push(from.pop());
    }
}

std::size_t fiber_pool::trim(std::size_t keep) noexcept {
    std::size_t ended = 0;
    for (;; ++ended) {
        fiber* victim = nullptr;
        {
            std::lock_guard const guard(lock_);
            if (idle_.size() <= keep) {
                return ended;
            }
            victim = &idle_.pop();
        }
        end_fiber(*victim);
    }
}

}  // namespace coir::detail
