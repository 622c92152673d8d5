// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/mutex.hpp>

#include <mutex>
#include <utility>

namespace coir {

bool mutex::try_lock() noexcept {
    std::lock_guard const guard(lock_);
    return !std::exchange(held_, true);
}

bool mutex::lock_until(clock::time_point deadline, detail::cancel_policy policy) {
    if (policy == detail::cancel_policy::deliver) {
        detail::throw_if_cancel_pending();
    }
    if (try_lock()) {
        return true;
    }
    detail::wait_point wait(deadline, policy);
    {
        std::lock_guard const guard(lock_);
        if (!std::exchange(held_, true)) {
            return true;
        }
        waiters_.push_back(wait.node);
    }
    if (wait.suspend() == detail::wake_reason::notified) {
        return true;  // handed over
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
        held_ = waiters_.claim_one(wakes);
    }
    wakes.wake_all();
}

}  // namespace coir
