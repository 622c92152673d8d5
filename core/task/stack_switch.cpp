// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/fiber_pool.hpp"
#include "core/fiber/stack_pool.hpp"
#include "core/task/stack_switch_impl.hpp"
#include "core/task/task_events.hpp"

#include <coir/core/base/tls.hpp>
#include <coir/core/task/fork_record.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/core/task/task_base.hpp>

#include <new>

namespace coir::detail {

fiber& make_side_fiber(std::size_t size, void (*entry)(fiber_thread*), void* argument) {
    fiber& made = make_fiber(stack_pool::for_size(size != 0 ? size : stack_size_here()), entry);
    made.argument = argument;
    return made;
}

fiber_thread& this_fiber_thread() {
    if (fiber_thread* const worker = this_worker_as_fiber_thread()) {
        return *worker;
    }
    if (fiber_thread* const section = this_blocking_section()) {
        return *section;
    }
    struct plain_thread : fiber_thread {
        fiber own;
    };
    static_assert(sizeof(plain_thread) <= k_thread_object_room && alignof(plain_thread) <= 16);
    void* const object = this_thread_object(
        thread_object::fibers,
        [](void* room) -> void* {
            auto* const made = ::new (room) plain_thread;
            made->attach_to_this_thread(made->own);
            return made;
        },
        [](void* p) { static_cast<plain_thread*>(p)->~plain_thread(); });
    return *static_cast<plain_thread*>(object);
}

void switch_stack(fiber*& left, fiber& to, leaving how) noexcept {
    give_open_calls_away();  // a frame over there may end after one over here
    fiber_thread& thread = this_fiber_thread();
    left = thread.current;
    switch_fiber(&thread, to, how);
}

side_shield::side_shield(bool always) noexcept {
    task_base* const task = current_task_or_null();
    if (task != nullptr && (always || this_stack_unwinds())) {
        task_ = task;
        id_ = task->id();
        task->shield();
    }
}

side_shield::~side_shield() {
    // A coroutine that is destroyed after its task has ended unwinds in another task.
    if (task_ != nullptr && task_ == current_task_or_null() && task_->id() == id_) {
        task_->unshield();
    }
}

}  // namespace coir::detail
