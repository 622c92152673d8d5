// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/shared_mutex.hpp>

#include <mutex>

namespace coir {
namespace {

constexpr detail::wait_kind k_waits_for_shared_mutex{"a shared_mutex"};

}  // namespace

struct shared_mutex::request : detail::wait_node {
    request(detail::waiter& w, side s) noexcept : wanted(s) { who = &w; }
    side const wanted;
};

bool shared_mutex::may_enter_locked(side wanted) const noexcept {
    return !writer_ && (wanted == side::reader || readers_ == 0);
}

bool shared_mutex::enter_locked(side wanted) noexcept {
    if (!may_enter_locked(wanted) || !waiters_.empty()) {
        return false;
    }
    wanted == side::writer ? void(writer_ = true) : void(++readers_);
    return true;
}

bool shared_mutex::try_lock_now(side wanted) noexcept {
    std::lock_guard const guard(lock_);
    return enter_locked(wanted);
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
        if (wakes.claim(who)) {
            wanted == side::writer ? void(writer_ = true) : void(++readers_);
        }
    }
}

bool shared_mutex::lock_until(side wanted, clock::time_point deadline) {
    detail::throw_if_cancel_pending();
    if (try_lock_now(wanted)) {
        return true;
    }
    detail::wait_point wait(deadline);
    wait.is_for(k_waits_for_shared_mutex, this);
    request self(wait.who(), wanted);
    {
        std::lock_guard const guard(lock_);
        if (enter_locked(wanted)) {
            return true;
        }
        waiters_.push_back(self);
    }
    if (wait.suspend() == detail::wake_reason::notified) {
        return true;  // let in by whoever left
    }
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        waiters_.erase(self);
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
        admit_locked(wakes);
    }
    wakes.wake_all();
}

void shared_mutex::unlock_shared() noexcept {
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        --readers_;
        admit_locked(wakes);
    }
    wakes.wake_all();
}

}  // namespace coir
