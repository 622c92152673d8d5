// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/timeout.hpp>

#include "core/task/suspend_task.hpp"

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

timeout_scope::timeout_scope(clock::time_point deadline)
    : when_(deadline), requests_at_entry_(calling_task().cancelling()),
      pending_at_entry_(calling_task().cancel_is_pending()) {
    timer_.task = &calling_task();
    timer_.callback = [](detail::timer_node& node) noexcept {
        auto& self = static_cast<timer&>(node);
        self.expired.store(true, std::memory_order_release);
        self.task->request_cancel("timed out");
    };
    arm();
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
    disarm();
    return !expired() || !timer_.task->take_back_own_request(requests_at_entry_, pending_at_entry_);
}

void timeout_scope::arm() {
    if (when_ != detail::k_never) {
        detail::add_timer_here(timer_, when_);
        armed_ = true;
    }
}

void timeout_scope::disarm() noexcept {
    if (std::exchange(armed_, false)) {
        detail::remove_timer(timer_);
    }
}

void timeout_scope::move_to(clock::time_point deadline) {
    disarm();
    if (expired()) {
        detail::throw_no_state("timeout_scope::reschedule: the time limit has expired already");
    }
    when_ = deadline;
    arm();
}

}  // namespace coir
