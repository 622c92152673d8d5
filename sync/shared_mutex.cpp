// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/shared_mutex.hpp>

#include <coir/core/task/task_base.hpp>

#include <mutex>

namespace coir {

detail::wait_kind const shared_mutex::k_waits{"a shared_mutex",
                                              [](void const* object) noexcept {
                                                  return static_cast<shared_mutex const*>(object)->holder_.load(
                                                      std::memory_order_relaxed);
                                              },
                                              "last locked by"};

struct shared_mutex::request : detail::wait_node {
    request(detail::waiter& w, side s) noexcept : wanted(s) { who = &w; }
    side const wanted;
};

bool shared_mutex::may_enter_locked(side wanted) const noexcept {
    return !writer_ && (wanted == side::reader || readers_ == 0);
}

void shared_mutex::let_in_locked(side wanted, std::uint64_t id) noexcept {
    if (wanted == side::reader) {
        ++readers_;
    } else {
        writer_ = true;
    }
    holder_.store(id, std::memory_order_relaxed);
}

bool shared_mutex::enter_locked(side wanted, detail::task_base const* self) noexcept {
    if (!may_enter_locked(wanted) || !waiters_.empty()) {
        return false;
    }
    let_in_locked(wanted, self != nullptr ? self->id() : 0);
    return true;
}

bool shared_mutex::try_lock_now(side wanted) noexcept {
    detail::task_base const* const self = detail::current_task_or_null();
    std::lock_guard const guard(lock_);
    return enter_locked(wanted, self);
}

// Lets in from the front as many as can be in together.
void shared_mutex::admit_locked(detail::wake_list& wakes) noexcept {
    while (detail::wait_node* const first = waiters_.front()) {
        side const wanted = static_cast<request*>(first)->wanted;
        if (!may_enter_locked(wanted)) {
            return;
        }
        detail::waiter& who = *first->who;
        waiters_.erase(*first);
        // Read before the claim: a task that has not left its stack yet goes on at once behind it, and may end.
        std::uint64_t const id = who.is_task() ? static_cast<detail::task_base const&>(who).id() : 0;
        if (wakes.claim(who)) {
            let_in_locked(wanted, id);
        }
    }
}

bool shared_mutex::lock_until(side wanted, clock::time_point deadline) {
    detail::task_base* const self = detail::throw_if_cancel_pending();
    {
        std::lock_guard const guard(lock_);
        if (enter_locked(wanted, self)) {
            return true;
        }
    }
    detail::wait_point wait(self, deadline);
    wait.is_for(k_waits, this);
    request mine(wait.who(), wanted);
    {
        std::lock_guard const guard(lock_);
        if (enter_locked(wanted, self)) {
            return true;
        }
        waiters_.push_back(mine);
    }
    if (wait.suspend() == detail::wake_reason::notified) {
        return true;  // let in by whoever left
    }
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        waiters_.erase(mine);
        admit_locked(wakes);  // readers that stood behind a writer which gives up
    }
    wakes.wake_all();
    wait.throw_if_cancelled();
    return false;
}

void shared_mutex::unlock() noexcept {
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        writer_ = false;
        holder_.store(0, std::memory_order_relaxed);
        admit_locked(wakes);
    }
    wakes.wake_all();
}

void shared_mutex::unlock_shared() noexcept {
    detail::task_base const* const self = detail::current_task_or_null();
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        if (--readers_ == 0 || (self != nullptr && self->id() == holder_.load(std::memory_order_relaxed))) {
            holder_.store(0, std::memory_order_relaxed);  // those who wait for other readers do not wait for this one
        }
        admit_locked(wakes);
    }
    wakes.wake_all();
}

}  // namespace coir
