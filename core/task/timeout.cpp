// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/timeout.hpp>

#include "core/task/suspend_task.hpp"

#include <utility>

namespace coir {
namespace {

detail::task_base& calling_task() {
    detail::task_base* const task = detail::current_task_or_null();
    if (task == nullptr) {
        throw no_running_runtime("a time limit needs a task: call this from inside coir::run or runtime::block_on");
    }
    return *task;
}

}  // namespace

timeout_scope::timeout_scope(clock::time_point deadline, clock::time_point now)
    : timer_(calling_task(), limit_), limit_{deadline, timer_}, requests_at_entry_(timer_.task->cancelling()),
      pending_at_entry_(timer_.task->cancel_is_pending()) {
    timer_.callback = [](detail::timer_node& node) noexcept {
        auto& self = static_cast<timer&>(node);
        self.limit->expired.store(true, std::memory_order_release);
        self.task->request_cancel(detail::keep_reason("timed out"));
    };
    arm(now);
    timer_.task->enter(limit_);
}

timeout_scope::~timeout_scope() {
    close();
}

bool timeout_scope::ends_as_timeout() noexcept {
    return close() && expired();
}

// Takes back the request that the timer made, if it did. False if others made one too.
bool timeout_scope::close() noexcept {
    if (std::exchange(closed_, true)) {
        return false;
    }
    timer_.task->leave(limit_);
    disarm();
    return !expired() || !timer_.task->take_back_own_request(requests_at_entry_, pending_at_entry_);
}

void timeout_scope::arm(clock::time_point now) {
    if (limit_.when != detail::k_never) {
        armed_in_ = detail::add_timer_here(timer_, limit_.when, now);
    }
}

void timeout_scope::disarm() noexcept {
    if (std::uint32_t const runtime = std::exchange(armed_in_, 0); runtime != 0) {
        detail::remove_timer(timer_, runtime);
    }
}

void timeout_scope::move_to(clock::time_point deadline) {
    if (deadline != detail::k_never) {
        detail::reserve_timer_here();  // before the one in force is given up
    }
    disarm();
    if (expired()) {
        detail::throw_no_state("timeout_scope::reschedule: the time limit has expired already");
    }
    timer_.task->move(limit_, deadline);
    arm(clock::now());
}

void detail::cancel_overdue(shared_state_base& awaited) {
    task_base& self = calling_task();
    if (static_cast<shared_state_base*>(&self) == &awaited) {
        throw invalid_state("a task cannot await itself");
    }
    unsigned const requests_at_entry = self.cancelling();
    bool const pending_at_entry = self.cancel_is_pending();
    awaited.request_cancel(keep_reason("timed out"));
    awaited.join();
    if (!awaited.was_cancelled()) {
        return;
    }
    if (self.accepts_cancel()) {
        if (self.cancel_is_pending()) {
            self.deliver_cancel();
        }
        if (pending_at_entry || self.cancelling() > requests_at_entry) {
            return;  // join() has passed the caller's own cancellation on: it comes back out of get()
        }
    }
    throw timeout_error();
}

clock::time_point detail::deadline_in_force() noexcept {
    task_base* const task = current_task_or_null();
    return task != nullptr && task->accepts_cancel() ? task->nearest_limit() : k_never;
}

}  // namespace coir
