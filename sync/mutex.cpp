// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/mutex.hpp>

#include <coir/core/task/task_base.hpp>

#include <mutex>

namespace coir {

detail::wait_kind const mutex::k_waits{"a mutex",
                                       [](void const* object) noexcept {
                                           return static_cast<mutex const*>(object)->holder_.load(
                                               std::memory_order_relaxed);
                                       },
                                       "last locked by"};

void mutex::taken_by(detail::task_base const* self) noexcept {
    holder_.store(self != nullptr ? self->id() : 0, std::memory_order_relaxed);
}

bool mutex::try_lock_for_task(detail::task_base const* self) noexcept {
    if (held_.load(std::memory_order_relaxed)) {
        return false;
    }
    {
        std::lock_guard const guard(lock_);
        if (!take()) {
            return false;
        }
    }
    taken_by(self);
    return true;
}

bool mutex::take() noexcept {
    if (held_.load(std::memory_order_relaxed)) {
        return false;
    }
    held_.store(true, std::memory_order_relaxed);
    return true;
}

bool mutex::try_lock() noexcept {
    return try_lock_for_task(detail::current_task_or_null());
}

bool mutex::lock_until(clock::time_point deadline, detail::cancel_policy policy) {
    detail::task_base* const self =
        policy == detail::cancel_policy::deliver ? detail::throw_if_cancel_pending() : detail::current_task_or_null();
    if (try_lock_for_task(self)) {
        return true;
    }
    detail::wait_point wait(self, deadline, policy);
    wait.is_for(k_waits, this);
    {
        std::lock_guard const guard(lock_);
        if (take()) {
            taken_by(self);
            return true;
        }
        waiters_.push_back(wait.node);
    }
    if (wait.suspend() == detail::wake_reason::notified) {
        taken_by(self);  // handed over
        return true;
    }
    {
        std::lock_guard const guard(lock_);
        waiters_.erase(wait.node);
    }
    wait.throw_if_cancelled();
    return false;
}

void mutex::unlock() noexcept {
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        held_.store(waiters_.claim_one(wakes), std::memory_order_relaxed);
    }
    wakes.wake_all();
}

}  // namespace coir
