// SPDX-License-Identifier: BSL-1.0
#include <coir/core/sched/blocking.hpp>

#include "core/base/held_locks.hpp"
#include "core/sched/blocking_section.hpp"
#include "core/sched/scheduler.hpp"

#include <coir/core/base/tls.hpp>
#include <coir/core/task/suspend.hpp>

#include <new>

namespace coir::detail {
namespace {

constexpr wait_kind k_blocking_call{"a blocking call"};
constexpr wait_subject k_in_a_call{&k_blocking_call};

}  // namespace

blocking_section::blocking_section(worker& left) : task_(*left.current_task()), left_(left) {
    COIR_CHECK_NO_LOCK_HELD(task_);  // it may go on on another thread
    left.keep_a_spare_thread();
    // What has to be done before a suspension has to be done now: others may go on from here.
    task_.before_suspension();
    left.give_open_calls_away();
    bool const at_once = left.has_work_for_others();
    outside_.emplace();
    current = left.current;
    native = left.native;
    eh = left.eh;
    set_this_blocking_section(this);
    task_.set_waits_for(&k_in_a_call);
    left.leave_thread();
    if (at_once) {
        left.hand_over_to_spare();
    } else {
        number_ = left.section().begin();
        left.home().watcher().section_begins();
    }
}

blocking_section::~blocking_section() {
    COIR_CHECK_NO_LOCK_HELD(task_);
    if (number_ != k_handed_over && left_.section().take_back(number_)) {
        set_this_blocking_section(nullptr);
        left_.come_back_to(task_);
    } else {
        task_.suspended_on = current;
        worker::arrive(switch_fiber(this, *native));
    }
    task_.set_waits_for(nullptr);
}

void blocking_section::resume_task() noexcept {
    task_base& task = task_;
    set_this_blocking_section(nullptr);
    task.expect_entry();
    task.home().push_from_outside(task);  // it has kept its strand, if it has one
}

scheduler* runtime_of_this_thread() noexcept {
    if (worker* const here = this_worker()) {
        return &here->home();
    }
    auto const* const section = static_cast<blocking_section*>(this_blocking_section());
    return section != nullptr ? &section->task().home() : nullptr;
}

blocking_scope::blocking_scope() : section_(nullptr) {
    throw_if_cancel_pending();
    worker* const here = this_worker();
    if (here != nullptr && here->current_task() != nullptr) {
        static_assert(sizeof(blocking_section) <= sizeof room_ && alignof(blocking_section) <= k_alignment);
        section_ = ::new (static_cast<void*>(room_)) blocking_section(*here);
    }
}

blocking_scope::~blocking_scope() {
    if (section_ != nullptr) {
        section_->~blocking_section();
    }
}

}  // namespace coir::detail
