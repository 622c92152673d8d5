// SPDX-License-Identifier: BSL-1.0
#include <coir/core/sched/blocking.hpp>

#include "core/sched/blocking_section.hpp"
#include "core/sched/scheduler.hpp"

#include <coir/core/base/tls.hpp>
#include <coir/core/task/suspend.hpp>

namespace coir::detail {

blocking_section::blocking_section(worker& left) : task_(left.current_task()) {
    carrier& next = left.home().threads().reserve();
    // What has to be done before a suspension has to be done now: others go on from here.
    task_->before_suspension();
    left.give_open_calls_away();
    outside_.emplace();
    current = left.current;
    native = left.native;
    eh = left.eh;
    set_this_blocking_section(this);
    worker::leave(&left);
    left.home().threads().hand_over(left, next);
}

blocking_section::~blocking_section() {
    task_->suspended_on = current;
    worker::arrive(switch_fiber(this, *native));
}

void blocking_section::resume_task() noexcept {
    task_base& task = *task_;
    set_this_blocking_section(nullptr);
    task.home().push_from_outside(task);  // it has kept its strand, if it has one
}

blocking_scope::blocking_scope() : section_(nullptr) {
    throw_if_cancel_pending();
    worker* const here = this_worker();
    if (here != nullptr && here->current_task() != nullptr) {
        section_ = new blocking_section(*here);
    }
}

blocking_scope::~blocking_scope() {
    delete section_;
}

}  // namespace coir::detail
