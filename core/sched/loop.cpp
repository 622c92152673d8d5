// SPDX-License-Identifier: BSL-1.0
//
// The worker's loop: takes the next task and runs it, here or on the stack that it was suspended on.
// Every idle and every parked fiber has a frame of loop() at its bottom: keep that frame, and step()'s, small.

#include "core/base/fault.hpp"
#include "core/base/held_locks.hpp"
#include "core/fiber/stack_pool.hpp"
#include "core/sched/scheduler.hpp"
#include "core/sched/worker.hpp"
#include "core/task/strand_state.hpp"

#include <coir/core/base/assert.hpp>
#include <coir/core/base/tls.hpp>

#include <ctime>
#include <new>
#include <utility>

namespace coir::detail {
namespace {

worker* as_worker(fiber_thread* thread) noexcept {
    return static_cast<worker*>(thread);
}

// How long tasks may run in the place of who awaits them before others have a turn.
constexpr auto k_longest_in_place = std::chrono::milliseconds(10);

// Stacks are whole pages, but for their colour.
constexpr std::size_t k_smallest_page = 4096;

// Out of memory for a stack, and nothing else to do: others may still give one back, so do not spin at full speed.
void nap_for_memory() noexcept {
    timespec const nap{0, 1'000'000};
    ::nanosleep(&nap, nullptr);
}

}  // namespace

void worker::loop(fiber_thread* thread) {
    worker* self = as_worker(thread);
    self->after_switch();
    for (;;) {
        self = step(self);
    }
}

// One turn. Returns the worker on which the loop goes on.
COIR_NOINLINE worker* worker::step(worker* self) {
    task_base* task = std::exchange(self->handed_over_, nullptr);
    if (task == nullptr) {
        task = self->next_task();
    }
    if (task == nullptr) {
        // Stopping: back to the thread's own stack, for good.
        return switch_to(self, *self->native, after::keep_fiber, nullptr);
    }
    return self->is_new(*task) ? run_new(self, *task) : resume(self, *task);
}

// A task that may have been started in place elsewhere is new only for whoever claims it.
bool worker::is_new(task_base& task) noexcept {
    return task.state_of_run() == task_base::run_state::created;
}

// Is this entry what puts the task back to work? Only tasks that were run in place may have a stale one.
bool worker::take_ready_entry(task_base& task) noexcept {
    return task.state_of_run() != task_base::run_state::started_in_place ||
           task.in_place_ready_.exchange(false, memory_order_acq_rel);
}

void worker::drop_taken_entry(task_base& stale) noexcept {
    if (stale_entries_ > 0) {
        --stale_entries_;
    }
    stale.release_reference();
}

worker* worker::resume(worker* self, task_base& task) {
    if (!self->take_ready_entry(task)) {
        self->drop_taken_entry(task);
        return self;
    }
    self->set_current(&task);
    self->counters_.tasks_resumed.add(1);
    return switch_to(self, *task.suspended_on, after::keep_fiber, nullptr);
}

worker* worker::run_new(worker* self, task_base& task) {
    if (!task.claim_start(task_base::run_state::started, self->shared_)) {
        return resume(self, task);  // started in place meanwhile: a stale entry, or the one that resumes it
    }
    fiber* own = nullptr;
    try {
        self->fill_reserve();
        if (task.has(task_base::k_own_stack)) [[unlikely]] {
            own = &make_fiber(stack_pool::for_size(task.own_stack_size()), &own_stack_main);
            self->counters_.stacks_made.add(1);
        }
    } catch (std::bad_alloc const&) {
        // One may come later. But a frame that waits for this call keeps its own stack, on which it can run it.
        if (task.has(task_base::k_forked_call) && task.somebody_waits()) {
            task.end_unstarted();
            self->finish(task);
        } else {
            self->send_back(task);
        }
        return self;
    }
    if (task.has(task_base::k_on_strand)) [[unlikely]] {
        task.start_on_strand();
    }
    self->set_current(&task);
    if (own != nullptr) {
        return switch_to(self, *own, after::keep_fiber, nullptr);
    }
    task.run();
    self = this_worker();  // perhaps another one
    self->set_current(nullptr);
    self->finish(task);
    return self;
}

// There is no memory for its stack. It waits where every worker looks, those that keep a stack for later too: tasks that have
// one may wait for this one. The monitor says so if that goes on.
void worker::send_back(task_base& task) noexcept {
    task.unclaim_start();
    home_.push_global(task);
    counters_.starts_refused.add(1);
    wake_if_anybody_sleeps();
    if (queue_.owner().empty()) {
        nap_for_memory();
    }
}

void worker::finish(task_base& task) noexcept {
    COIR_FORGET_LOCKS();
    if (task.has(task_base::k_on_strand)) [[unlikely]] {
        pass_turn(task);
    }
    counters_.tasks_ended.add_release(1);
    home_.task_ended();
    task.release_reference();
}

// The bottom of a stack that one task asked for.
void worker::own_stack_main(fiber_thread* thread) {
    worker* self = as_worker(thread);
    self->after_switch();
    task_base& task = *self->current_task();
    task.run();
    self = this_worker();
    self->set_current(nullptr);
    self->finish(task);
    switch_to(self, self->idle_fibers_.pop(), after::end_fiber, nullptr);
    invariant_failed("an ended fiber was resumed", __FILE__, __LINE__);
}

void worker::fill_reserve() {
    if (idle_fibers_.empty()) {
        idle_fibers_.push(home_.fibers().take(&loop));
        counters_.stacks_made.add(1);
    }
}

// --- switching ---------------------------------------------------------------------------------------------------------

worker* worker::switch_to(worker* self, fiber& to, after what, task_base* task) noexcept {
    self->after_ = what;
    self->after_task_ = task;
    auto const how = what == after::end_fiber ? leaving::dies : leaving::suspends;
    worker* const arrived = as_worker(switch_fiber(self, to, how));
    arrived->after_switch();
    return arrived;
}

// On the new stack: what had to wait until the old one was left.
void worker::after_switch() noexcept {
    switch (std::exchange(after_, after::nothing)) {
    case after::nothing:
        break;
    case after::requeue_task:
        if (after_task_->state_of_run() != task_base::run_state::started) [[unlikely]] {
            requeue_special(*after_task_);
            break;
        }
        push_queue(*after_task_);
        wake_if_anybody_sleeps();
        break;
    case after::publish_task:
        COIR_FAULT_DELAY(delay_publish);
        if (after_task_->state_of_run() == task_base::run_state::started_on_strand) [[unlikely]] {
            pass_turn(*after_task_);  // before it can be seen, run and end: until then it keeps its strand alive
        }
        if (after_task_->word.publish_suspended() == wait_step::make_ready) {
            push_ready(*after_task_);
        }
        break;
    case after::keep_fiber:
        keep_idle(*previous);
        break;
    case after::end_fiber:
        end_fiber(*previous);
        break;
    }
}

void worker::keep_idle(fiber& f) noexcept {
    // Guessed: enough for a burst, little enough that a worker does not hoard what others need.
    constexpr std::size_t k_most = 128;
    if (&f == native) {
        return;
    }
    idle_fibers_.push(f);
    if (idle_fibers_.size() > k_most) {
        home_.fibers().give_back(idle_fibers_, k_most / 2);
    }
}

void worker::park_current(worker* self) noexcept {
    COIR_CHECK_NO_LOCK_HELD(*self->current_task());
    self->give_open_calls_away();
    task_base& task = *self->current_task();
    task.suspended_on = self->current;
    while (task_base* const next = self->next_task_now()) {
        if (self->is_new(*next)) {
            self->handed_over_ = next;
            break;
        }
        if (!self->take_ready_entry(*next)) {
            self->drop_taken_entry(*next);
            continue;
        }
        self->counters_.tasks_resumed.add(1);
        self->set_current(next);
        switch_to(self, *next->suspended_on, after::publish_task, &task);
        return;
    }
    self->set_current(nullptr);
    switch_to(self, self->idle_fibers_.pop(), after::publish_task, &task);
}

void worker::yield(worker* self) noexcept {
    COIR_CHECK_NO_LOCK_HELD(*self->current_task());
    self->give_open_calls_away();
    task_base& task = *self->current_task();
    for (;;) {
        task_base* const next = self->next_task_now();
        if (next == nullptr) {
            if (task.has(task_base::k_on_strand) && task.strand().has_waiting()) [[unlikely]] {
                task.suspended_on = self->current;
                self->set_current(nullptr);
                switch_to(self, self->idle_fibers_.pop(), after::requeue_task, &task);
                return;
            }
            self->counters_.yields_to_nobody.add(1);
            return;
        }
        if (self->is_new(*next)) {
            task.suspended_on = self->current;
            self->handed_over_ = next;
            self->set_current(nullptr);
            switch_to(self, self->idle_fibers_.pop(), after::requeue_task, &task);
            return;
        }
        if (!self->take_ready_entry(*next)) {
            self->drop_taken_entry(*next);
            continue;
        }
        task.suspended_on = self->current;
        self->counters_.tasks_resumed.add(1);
        self->set_current(next);
        switch_to(self, *next->suspended_on, after::requeue_task, &task);
        return;
    }
}

// --- strands -----------------------------------------------------------------------------------------------------------

bool worker::may_be_queued(task_base& task) noexcept {
    task.expect_entry();
    return task.state_of_run() != task_base::run_state::started_on_strand || task.strand().enter(task);
}

// One of a strand has the turn, which goes on to the next one, or back to itself.
void worker::requeue_special(task_base& task) noexcept {
    if (may_be_queued(task)) {
        push_queue(task);
        wake_if_anybody_sleeps();
    } else {
        pass_turn(task);
    }
}

void worker::pass_turn(task_base& leaving) noexcept {
    task_base* const next = leaving.strand().leave();
    if (next == nullptr) {
        return;
    }
    if (&next->home() == &home_) {
        push_queue(*next);
        wake_another();
    } else {
        next->home().push_from_outside(*next);
    }
}

// --- eager tasks -------------------------------------------------------------------------------------------------------

// The caller waits, off its stack but in no queue, until this worker next asks for a task: that is when the eager one has
// suspended or ended. On the same strand it waits for its turn instead, as the first of all.
void worker::run_eagerly(worker* self, task_base& task) {
    COIR_CHECK_NO_LOCK_HELD(*self->current_task());
    self->give_open_calls_away();
    task_base& caller = *self->current_task();
    bool const on_strand = task.has(task_base::k_on_strand);
    bool const shares_strand = on_strand && caller.has(task_base::k_on_strand) && &task.strand() == &caller.strand();
    self->counters_.tasks_spawned.add(1);
    if (on_strand && !shares_strand && !task.strand().enter(task)) {
        return;  // not its turn: it starts later, as if it were not eager
    }
    self->handed_over_ = &task;
    caller.suspended_on = self->current;
    self->set_current(nullptr);
    if (shares_strand) {
        caller.strand().push_front(caller);
        switch_to(self, self->idle_fibers_.pop(), after::nothing, nullptr);
    } else {
        eager_caller here{caller, self->eager_callers_};
        self->eager_callers_ = &here;
        self->until_clock_ = 1;
        switch_to(self, self->idle_fibers_.pop(), after::nothing, nullptr);
    }
}

task_base* worker::take_eager_caller() noexcept {
    task_base& caller = eager_callers_->task;
    eager_callers_ = eager_callers_->outer;
    until_clock_ = 1;
    caller.expect_entry();
    return &caller;
}

// A task counts on a stack of the runtime's size: three quarters of it must be left here. (Otherwise each task of a long
// chain of awaiting ones would stand on the stack of the one before, until that overflows.) What the stack's colour has left
// out of its top page counts as left: it depends on addresses, and a seeded run does not.
bool worker::has_room_in_place() const noexcept {
    auto const* const here = static_cast<std::byte const*>(__builtin_frame_address(0));
    stack const& memory = current->memory;
    std::size_t const left_out = -memory.size % k_smallest_page;
    return static_cast<std::size_t>(here - memory.base) + left_out >= room_in_place_;
}

// Somebody who spawns and awaits in a loop never suspends. Once in a while he has to, and lets the others have a turn.
// Seldom: a tree of tasks that is refused a place goes breadth first for a step, and parks a stack.
bool worker::has_run_long_in_place() noexcept {
    if (!others_are_due()) {
        return false;
    }
    look_around();
    if (!queue_.owner().empty()) {
        wake_another();  // what this task awaits may have ended meanwhile: then it does not suspend
    }
    return true;
}

bool worker::others_are_due() noexcept {
    until_turn_check_ = k_in_place_between_checks;
    auto const now = std::chrono::steady_clock::now();
    if (now - last_turn_ < k_longest_in_place) {
        return false;
    }
    last_turn_ = now;
    return true;
}

bool worker::try_run_in_place(task_base& awaited) noexcept {
    if (!awaited.may_run_in_place || awaited.state_of_run() != task_base::run_state::created) {
        return false;
    }
    worker* self = this_worker();
    if (self == nullptr || &awaited.home() != &self->home_) {
        return false;
    }
    task_base* const waiting = self->current_task();
    if (waiting == nullptr || waiting->has(task_base::k_on_strand)) {
        return false;  // one on a strand could not let it go when the other one waits
    }
    // With one worker, what the same task has spawned just before comes first, as on an event loop.
    if (!self->shared_ && !self->seeded_) {
        task_base const* const earlier = self->queue_.owner().before(&awaited, awaited.queue_place);
        if (earlier != nullptr && earlier->was_spawned_by(*waiting)) {
            return false;
        }
    }
    // Of the exceptions that the waiting task is just handling the other one knows nothing.
    void* const caught_by_waiting = self->eh->caught_exceptions;
    bool const may_be_cancelled = !waiting->is_shielded() && self->eh->uncaught_exceptions == 0;
    if (!may_be_cancelled || waiting->cancel_is_pending() || self->owes_a_turn() || !self->has_room_in_place() ||
        !awaited.claim_start(task_base::run_state::started_in_place, self->shared_)) {
        return false;
    }
    bool const entry_is_gone = !self->shared_ && self->queue_.owner().take_out(&awaited, awaited.queue_place);
    self->give_open_calls_away();
    if (caught_by_waiting != nullptr) [[unlikely]] {
        self->eh->caught_exceptions = nullptr;
    }
    COIR_LEAVE_LOCKS_WITH(*waiting);
    self->set_current(&awaited);
    awaited.run_in_place_for(*waiting);
    self = this_worker();
    self->set_current(waiting);
    COIR_TAKE_LOCKS_BACK(*waiting);
    if (caught_by_waiting != nullptr) [[unlikely]] {  // the other one has left none behind
        self->eh->caught_exceptions = caught_by_waiting;
    }
    self->counters_.tasks_ended.add_release(1);
    self->home_.task_ended();
    // With several workers its entry is still in some queue. Tasks are awaited in the order of their spawning or the other
    // way round, so it often is the oldest or the newest of this one.
    if (entry_is_gone || self->queue_.owner().take_front_if(&awaited)) {
        awaited.release_with_handle();
    } else {
        self->drop_queued_entry(awaited);
    }
    return true;
}

// What is not the newest goes when it comes to the front or the back.
void worker::drop_queued_entry(task_base& ended) noexcept {
    auto const queue = queue_.owner();
    if (task_base const* const last = queue.peek_back(); last != &ended) {
        stale_entries_ = last == nullptr ? 0 : stale_entries_ + 1;
        return;
    }
    if (queue.take_back() == nullptr) {
        return;  // a thief has it
    }
    ended.release_with_handle();
    // Others may be stale now that they are the newest. (A look without taking would not do, except for one's own: a
    // thief may take and end what was looked at.)
    while (stale_entries_ > 0) {
        task_base* const newest = queue.take_back();
        if (newest == nullptr) {
            stale_entries_ = 0;  // the others were in other queues, or stolen
        } else if (newest->state_of_run() == task_base::run_state::started_in_place && newest->is_done()) {
            --stale_entries_;
            newest->release_reference();
        } else {
            queue.push(newest);  // there is room: it has just been taken from there
            wake_if_anybody_sleeps();
            break;
        }
    }
}

}  // namespace coir::detail
