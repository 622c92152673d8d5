// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/side_stack.hpp>

#include "core/fiber/fiber_pool.hpp"
#include "core/task/stack_switch_impl.hpp"

#include <coir/core/base/assert.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/core/task/task_base.hpp>

#include <utility>

namespace coir::detail {
namespace {

std::uint64_t this_task_id() noexcept {
    task_base* const task = current_task_or_null();
    return task != nullptr ? task->id() : 0;
}

}  // namespace

void side_stack::resume() {
    if (state_ == state::running) {
        throw invalid_state("generator: its body is running already");
    }
    if (state_ == state::ended) {
        return;
    }
    this_fiber_thread();  // while it may throw
    if (state_ == state::fresh) {
        stack_ = &make_side_fiber(stack_size_, &main, this);
        suspended_on_ = stack_;
    }
    go_on();
    if (failure_) {
        std::rethrow_exception(std::exchange(failure_, nullptr));
    }
}

void side_stack::go_on() noexcept {
    side_shield const shield(closing_);
    state_ = state::running;
    task_ = this_task_id();
    switch_stack(consumer_, *suspended_on_);
    if (state_ == state::ended) {
        end_fiber(*std::exchange(stack_, nullptr));
    }
}

void side_stack::leave() {
    if (state_ != state::running || task_ != this_task_id()) {
        throw invalid_state("generator: only its body may yield, in the task that runs it");
    }
    if (!closing_) {
        state_ = state::suspended;
        switch_stack(suspended_on_, *consumer_);
    }
    // Out of a destructor nothing can be thrown: a yield there is as good as none.
    if (closing_ && std::uncaught_exceptions() == 0) {
        throw generator_exit();
    }
}

void side_stack::close() noexcept {
    if (state_ == state::running) [[unlikely]] {
        end_misused("a generator or coroutine is destroyed by its own body, or while that runs");
    }
    if (state_ == state::suspended) {
        closing_ = true;
        go_on();
        if (failure_) {
            report_unhandled_here(std::exchange(failure_, nullptr));
        }
    }
    state_ = state::ended;
}

// Whatever has a destructor must be gone before the stack dies.
void side_stack::run() noexcept {
    try {
        body();
    } catch (generator_exit const&) {
        if (!closing_) {
            failure_ = std::current_exception();
        }
    } catch (...) {
        failure_ = std::current_exception();
    }
    state_ = state::ended;
}

void side_stack::main(fiber_thread* thread) {
    auto& self = *static_cast<side_stack*>(thread->current->argument);
    self.run();
    switch_stack(self.suspended_on_, *self.consumer_, leaving::dies);
    invariant_failed("an ended generator was resumed", __FILE__, __LINE__);
}

}  // namespace coir::detail
