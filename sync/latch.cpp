// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/latch.hpp>

#include <mutex>
#include <stdexcept>

namespace coir {
namespace {

constexpr detail::wait_kind k_waits_for_latch{"a latch"};

}  // namespace

latch::latch(std::ptrdiff_t expected) : left_(expected) {
    if (expected < 0) {
        throw std::invalid_argument("coir::latch: the count must not be negative");
    }
}

void latch::count_down(std::ptrdiff_t n) {
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        if (n < 0 || n > left_) {
            throw std::invalid_argument("coir::latch::count_down: more than what is left, or negative");
        }
        left_ -= n;
        if (left_ == 0) {
            waiters_.claim_all(wakes);
        }
    }
    wakes.wake_all();
}

bool latch::try_wait() const noexcept {
    std::lock_guard const guard(lock_);
    return left_ == 0;
}

// As event::wait(): whoever returns has been through the lock after the last one who counted.
bool latch::wait_with_deadline(clock::time_point deadline) {
    if (try_wait()) {
        return true;
    }
    detail::wait_point wait(deadline);
    wait.is_for(k_waits_for_latch, this);
    {
        std::lock_guard const guard(lock_);
        if (left_ == 0) {
            return true;
        }
        waiters_.push_back(wait.node);
    }
    detail::wake_reason const reason = wait.suspend();
    {
        std::lock_guard const guard(lock_);
        waiters_.erase(wait.node);
    }
    wait.throw_if_cancelled();
    return reason == detail::wake_reason::notified;
}

}  // namespace coir
