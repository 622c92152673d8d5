// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/call_once.hpp>

#include <coir/core/task/suspend.hpp>

#include <mutex>

namespace coir {
namespace {

constexpr detail::wait_kind k_waits_for_call_once{"a call_once"};

}  // namespace

bool once_flag::begin() {
    detail::throw_if_cancel_pending();
    detail::wait_point wait;
    wait.is_for(k_waits_for_call_once);
    {
        std::lock_guard const guard(lock_);
        switch (state_.load(std::memory_order_relaxed)) {
        case state::done:
            return false;
        case state::idle:
            state_.store(state::running, std::memory_order_relaxed);
            return true;
        case state::running:
            waiters_.push_back(wait.node);
        }
    }
    detail::wake_reason const reason = wait.suspend();
    {
        std::lock_guard const guard(lock_);
        waiters_.erase(wait.node);
    }
    if (reason == detail::wake_reason::notified) {
        return !is_done();  // handed on: still running, but by the caller
    }
    wait.throw_if_cancelled();
    return false;
}

void once_flag::end(bool done) noexcept {
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        if (done) {
            state_.store(state::done, std::memory_order_release);
            waiters_.claim_all(wakes);
        } else if (!waiters_.claim_one(wakes)) {
            state_.store(state::idle, std::memory_order_relaxed);
        }
    }
    wakes.wake_all();
}

}  // namespace coir
