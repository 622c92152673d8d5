// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/event.hpp>

#include <mutex>

namespace coir {
namespace {

constexpr detail::wait_kind k_waits_for_event{"an event"};

}  // namespace

void event::set() noexcept {
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        set_.store(true, std::memory_order_release);
        waiters_.claim_all(wakes);
    }
    wakes.wake_all();
}

void event::clear() noexcept {
    std::lock_guard const guard(lock_);
    set_.store(false, std::memory_order_release);
}

// Whoever returns because the event is set comes after set() has released the lock: so the waiter may destroy the event at
// once, though set() may not have returned yet.
bool event::wait_with_deadline(clock::time_point deadline) {
    if (is_set()) {
        lock_.wait_until_released();
        return true;
    }
    detail::wait_point wait(deadline);
    wait.is_for(k_waits_for_event, this);
    {
        std::lock_guard const guard(lock_);
        if (is_set()) {
            return true;
        }
        waiters_.push_back(wait.node);
    }
    if (wait.suspend() == detail::wake_reason::notified) {
        lock_.wait_until_released();
        return true;
    }
    {
        std::lock_guard const guard(lock_);
        waiters_.erase(wait.node);
    }
    wait.throw_if_cancelled();
    return false;
}

bool event::try_wait() noexcept {
    if (!is_set()) {
        return false;
    }
    lock_.wait_until_released();
    return true;
}

bool event::enlist(detail::wait_node& node) noexcept {
    std::lock_guard const guard(lock_);
    if (is_set()) {
        return false;
    }
    waiters_.push_back(node);
    return true;
}

void event::withdraw(detail::wait_node& node) noexcept {
    std::lock_guard const guard(lock_);
    waiters_.erase(node);
}

}  // namespace coir
