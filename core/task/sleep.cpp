// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/sleep.hpp>

#include "core/task/suspend_task.hpp"

#include <coir/core/task/suspend.hpp>
#include <coir/core/task/task_base.hpp>

#include <thread>

namespace coir {
namespace detail {
namespace {

constexpr wait_kind k_waits_for_the_clock{"the clock"};

}  // namespace

void sleep_until_deadline(clock::time_point deadline) {
    if (deadline <= clock::now()) {
        yield();
        return;
    }
    wait_point wait(deadline);
    wait.is_for(k_waits_for_the_clock);
    wait.suspend();  // nobody else knows of this wait: it ends by time-out or by cancellation
    wait.throw_if_cancelled();
}

}  // namespace detail

void yield() {
    if (!detail::try_yield()) {
        std::this_thread::yield();
    }
}

clock::time_point interval::tick() {
    clock::time_point const now = clock::now();
    clock::time_point due = detail::deadline_after(next_, period_);
    if (due < now) {
        due += (now - due + period_ - clock::duration(1)) / period_ * period_;  // the first multiple that is not past
    }
    sleep_until(due);
    next_ = due;
    return due;
}

}  // namespace coir
