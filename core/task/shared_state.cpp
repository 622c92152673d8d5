// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/shared_state.hpp>

#include <coir/core/base/back_off.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/core/task/task_base.hpp>

#include "core/task/done_callbacks.hpp"
#include "core/task/run_in_place.hpp"

namespace coir::detail {
namespace {

constexpr wait_kind k_waits_for_completion{"a task or a future", [](void const* object) noexcept {
                                               auto const* const state = static_cast<shared_state_base const*>(object);
                                               return state->is_task() ? static_cast<task_base const*>(state)->id()
                                                                       : std::uint64_t{0};
                                           }};

// Made in time, for when there is no memory. Never destroyed: promises may be static objects.
std::exception_ptr const& spare_broken_promise = *new std::exception_ptr(std::make_exception_ptr(broken_promise()));

}  // namespace

bool shared_state_base::lock(completion_node*& list) noexcept {
    back_off wait;
    std::uintptr_t seen = word_.load(memory_order_acquire);
    for (;;) {
        if ((seen & k_done) != 0) {
            return false;
        }
        if ((seen & k_locked) != 0) {
            wait.pause();
            seen = word_.load(memory_order_acquire);
        } else if (word_.compare_exchange_weak(seen, seen | k_locked, memory_order_acquire, memory_order_acquire)) {
            list = list_of(seen);
            return true;
        }
    }
}

bool shared_state_base::add(completion_node& node) noexcept {
    completion_node* list = nullptr;
    if (!lock(list)) {
        return false;
    }
    node.previous = nullptr;
    node.next = list;
    node.linked = true;
    if (list != nullptr) {
        list->previous = &node;
    }
    unlock(&node);
    return true;
}

void shared_state_base::erase(completion_node& node) noexcept {
    completion_node* list = nullptr;
    if (!lock(list)) {
        return;  // done: complete() has unlinked every node before it set k_done
    }
    if (node.linked) {
        (node.previous == nullptr ? list : node.previous->next) = node.next;
        if (node.next != nullptr) {
            node.next->previous = node.previous;
        }
        node.linked = false;
    }
    unlock(list);
}

void shared_state_base::complete() noexcept {
    std::uintptr_t nobody = 0;
    if (!word_.compare_exchange_strong(nobody, k_done, memory_order_release, memory_order_relaxed)) {
        complete_contended();
    }
}

void shared_state_base::complete_contended() noexcept {
    completion_node* node = nullptr;
    lock(node);
    while (node != nullptr && node->next != nullptr) {
        node = node->next;  // the first to come stands last
    }
    wake_list wakes;
    done_callbacks* callbacks = nullptr;
    while (node != nullptr) {
        completion_node* const earlier = node->previous;
        node->linked = false;
        if (node->on_complete != nullptr) {
            node->on_complete(*node, wakes);
        } else {
            callbacks = static_cast<done_callbacks*>(node);
        }
        node = earlier;
    }
    // From k_done on whoever waited may let the state go; its callbacks are part of it.
    auto const kept = state_ptr<shared_state_base>::share(callbacks != nullptr ? this : nullptr);
    word_.store(k_done, memory_order_release);
    wakes.wake_all();
    if (callbacks != nullptr) {
        callbacks->start_all();
    }
}

std::exception_ptr shared_state_base::error() noexcept {
    if (outcome_ == outcome::value) {
        return nullptr;
    }
    retrieved_.store(true, memory_order_relaxed);
    return error_ != nullptr ? error_ : std::make_exception_ptr(cancelled{});
}

void shared_state_base::rethrow_failure() {
    std::rethrow_exception(error());
}

void shared_state_base::set_error(std::exception_ptr error) noexcept {
    error_ = std::move(error);
    outcome_ = outcome::error;
}

void shared_state_base::set_cancelled(std::exception_ptr error) noexcept {
    error_ = std::move(error);
    outcome_ = outcome::cancelled;
}

void shared_state_base::set_current_exception() noexcept {
    try {
        throw;
    } catch (cancelled const&) {
        set_cancelled(std::current_exception());
    } catch (...) {
        set_error(std::current_exception());
    }
}

bool shared_state_base::try_add_reference(void const* record) noexcept {
    atomic<std::uint32_t>& references = record_references(record);
    std::uint32_t count = references.load(memory_order_acquire);
    while (count != 0) {
        if (references.compare_exchange_weak(count, count + 1, memory_order_acquire)) {
            return true;
        }
    }
    return false;
}

void shared_state_base::join_unfinished() {
    if (!is_task() || !try_run_in_place(static_cast<task_base&>(*this))) {
        join_elsewhere();
    }
}

void task_base::join_unfinished_task() {
    if (!try_run_in_place(*this)) {
        join_elsewhere();
    }
}

void shared_state_base::join_elsewhere() {
    task_base* const self = current_task_or_null();
    if (self == nullptr) {
        wait_uncancelled();
        return;
    }
    if (static_cast<shared_state_base*>(self) == this) {
        throw invalid_state("a task cannot await itself");
    }
    if (!self->accepts_cancel()) {
        wait_uncancelled();
        return;
    }
    if (!self->start_forwarding_cancel(*this)) {
        // Cancelled before it got here: the awaited one is cancelled in its place. If that is done already, the
        // request stays.
        self->forward_pending_cancel(*this);
        if (!self->await_end(*this, true)) {
            self->deliver_cancel();
        }
        return;
    }
    bool interrupted = false;
    {
        wait_point wait(cancel_policy::only_interrupt);
        wait.is_for(k_waits_for_completion, this);
        join_node node(wait.who());
        if (add(node)) {
            if (self->has_request()) [[unlikely]] {
                self->break_circle();  // it may have been interrupted before there was a wait
            }
            interrupted =
                wait.suspend() != wake_reason::notified;  // tasks that await each other in a circle were cancelled
            if (interrupted) {
                erase(node);
            }
        }
    }
    bool const passed_on = self->stop_forwarding_cancel();
    await_completion(!interrupted);
    if (interrupted && !is_done()) {
        self->deliver_cancel();
    }
    if (passed_on) [[unlikely]] {
        self->take_up_request_of(*this);
    }
}

// The completer claims its waiters a few instructions before it sets k_done.
void shared_state_base::await_completion(bool is_due) const noexcept {
    for (back_off pause; is_due && !is_done();) {
        pause.pause();
    }
}

void shared_state_base::wait_uncancelled() noexcept {
    while (!is_done()) {
        wait_point wait(cancel_policy::ignore);
        wait.is_for(k_waits_for_completion, this);
        join_node node(wait.who());
        if (add(node)) {
            wait.suspend();
        }
    }
}

bool task_base::await_end(shared_state_base& target, bool may_be_left) noexcept {
    may_be_left = may_be_left && accepts_cancel();
    bool left = false;
    bool passed_on = false;
    {
        say_what_is_awaited(target, may_be_left ? k_awaiting | k_may_leave : k_awaiting, 0);
        wait_point wait(may_be_left ? cancel_policy::only_interrupt : cancel_policy::ignore);
        wait.is_for(k_waits_for_completion, &target);
        join_node node(wait.who());
        if (target.add(node)) {
            break_circle();
            left = wait.suspend() != wake_reason::notified;
            if (left) {
                target.erase(node);
            }
        }
        passed_on = stop_forwarding_cancel();
    }
    target.await_completion(!left);
    if (!target.is_done()) {
        return false;
    }
    if (passed_on) {
        take_up_request_of(target);
    }
    return true;
}

bool shared_state_base::wait_until(clock::time_point deadline) {
    if (is_done()) {
        return true;
    }
    if (static_cast<shared_state_base*>(current_task_or_null()) == this) {
        throw invalid_state("a task cannot await itself");
    }
    wait_point wait(deadline);
    wait.is_for(k_waits_for_completion, this);
    join_node node(wait.who());
    if (!add(node)) {
        return true;
    }
    if (wait.suspend() == wake_reason::notified) {
        await_completion(true);
        return true;
    }
    erase(node);
    if (is_done()) {
        return true;  // nothing that arrived is lost: a cancellation waits for the next suspension point
    }
    wait.throw_if_cancelled();
    return false;
}

std::exception_ptr broken_promise_error() noexcept {
    try {
        return std::make_exception_ptr(broken_promise());
    } catch (std::bad_alloc const&) {
        return spare_broken_promise;
    }
}

void throw_no_state(char const* what) {
    throw invalid_state(what);
}

}  // namespace coir::detail
