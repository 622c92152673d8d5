// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/condition_variable.hpp>

#include <system_error>

namespace coir {
namespace {

constexpr detail::wait_kind k_waits_for_condition_variable{"a condition variable"};

}  // namespace

void condition_variable::notify_one() noexcept {
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        waiters_.claim_one(wakes);
    }
    wakes.wake_all();
}

void condition_variable::notify_all() noexcept {
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        waiters_.claim_all(wakes);
    }
    wakes.wake_all();
}

bool condition_variable::wait_with_deadline(std::unique_lock<mutex>& lock, clock::time_point deadline) {
    if (!lock.owns_lock()) {
        throw std::system_error(std::make_error_code(std::errc::operation_not_permitted),
                                "coir::condition_variable: the lock is not held");
    }
    detail::wake_reason reason{};
    {
        detail::wait_point wait(deadline);
        wait.is_for(k_waits_for_condition_variable, this);
        {
            std::lock_guard const guard(lock_);
            waiters_.push_back(wait.node);
        }
        lock.unlock();
        reason = wait.suspend();
        if (reason != detail::wake_reason::notified) {
            std::lock_guard const guard(lock_);
            waiters_.erase(wait.node);
        }
    }
    // Whatever happened, the caller gets its lock back first; a request that arrives now waits.
    lock.mutex()->lock_until(detail::k_never, detail::cancel_policy::ignore);
    lock = std::unique_lock<mutex>(*lock.release(), std::adopt_lock);
    if (reason == detail::wake_reason::cancelled) {
        detail::deliver_cancel();
    }
    return reason == detail::wake_reason::notified;
}

}  // namespace coir
