// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/barrier.hpp>

#include <coir/core/base/errors.hpp>

#include <mutex>
#include <stdexcept>

namespace coir {
namespace {

constexpr detail::wait_kind k_waits_for_barrier{"a barrier"};

}  // namespace

// Who stands in the list has come, also one whose wait a cancellation has just ended: whether all have come must be decided
// before anybody is claimed. Such a one finds `how` set when it wants to leave the list, and goes on as the others do.
struct barrier::party : detail::wait_node {
    explicit party(detail::waiter& w) noexcept { who = &w; }
    outcome how = outcome::none;
    std::size_t index = 0;
};

barrier::barrier(std::ptrdiff_t parties) : parties_(static_cast<std::size_t>(parties)) {
    if (parties <= 0) {
        throw std::invalid_argument("coir::barrier: there must be at least one party");
    }
}

void barrier::end_round_locked(outcome how, detail::wake_list& wakes) noexcept {
    std::size_t index = 0;
    while (detail::wait_node* const first = waiters_.front()) {
        auto& next = static_cast<party&>(*first);
        next.how = how;
        next.index = index++;
        waiters_.erase(next);
        wakes.claim(*next.who);
    }
    waiting_ = 0;
}

std::size_t barrier::arrive_and_wait() {
    detail::throw_if_cancel_pending();
    detail::wait_point wait;
    wait.is_for(k_waits_for_barrier, this);
    party self(wait.who());
    detail::wake_list wakes;
    bool complete = false;
    bool broken = false;
    {
        std::lock_guard const guard(lock_);
        broken = broken_;
        complete = !broken && waiting_ + 1 == parties_;
        if (complete) {
            end_round_locked(outcome::passed, wakes);
        } else if (!broken) {
            waiters_.push_back(self);
            ++waiting_;
        }
    }
    if (broken) {
        throw broken_barrier();  // without the lock: throwing takes microseconds, and others would spin for it
    }
    if (complete) {
        std::size_t const last = parties_ - 1;  // read before the wake, after which the barrier may be gone
        wakes.wake_all();
        return last;
    }
    wait.suspend();
    {
        // Behind the one who ended the round, so that the barrier may be destroyed at once.
        std::lock_guard const guard(lock_);
        if (self.how == outcome::none) {
            waiters_.erase(self);
            --waiting_;
        }
    }
    if (self.how == outcome::broke) {
        throw broken_barrier();
    }
    if (self.how == outcome::none) {
        wait.throw_if_cancelled();
    }
    return self.index;
}

void barrier::abort() noexcept {
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        broken_ = true;
        end_round_locked(outcome::broke, wakes);
    }
    wakes.wake_all();
}

void barrier::reset() noexcept {
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        broken_ = false;
        end_round_locked(outcome::broke, wakes);
    }
    wakes.wake_all();
}

std::size_t barrier::n_waiting() const noexcept {
    std::lock_guard const guard(lock_);
    return waiting_;
}

bool barrier::broken() const noexcept {
    std::lock_guard const guard(lock_);
    return broken_;
}

}  // namespace coir
