// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/suspend.hpp>

#include "core/base/fault.hpp"
#include "core/base/forked.hpp"
#include "core/base/futex.hpp"
#include "core/base/thread_count.hpp"
#include "core/task/suspend_task.hpp"

#include <coir/core/base/config.hpp>
#include <coir/core/base/tls.hpp>
#include <coir/core/task/task_base.hpp>

#include <new>

namespace coir::detail {
namespace {

// How often a thread looks before it sleeps. Guessed: a few microseconds, less than a futex sleep and wake cost.
constexpr int k_thread_spins = 200;

}  // namespace

wake_reason thread_waiter::sleep_until(clock::time_point deadline) noexcept {
    for (int spin = 0; spin < k_thread_spins && !word.is_woken(); ++spin) {
        spin_pause();
    }
    // The thread is its own publisher: it publishes and then sleeps as long as nobody has changed the word.
    if (word.publish_suspended() == wait_step::make_ready) {
        return word.reason();
    }
    COIR_FAULT_DELAY(delay_sleep);
    while (!word.is_woken()) {
        std::uint32_t const seen = word.raw().load(memory_order_acquire);
        if ((seen & wait_word::k_woken) != 0) {
            break;
        }
        if (deadline == k_never) {
            if (in_a_fork.load(std::memory_order_relaxed)) [[unlikely]] {
                end_in_a_fork();
            }
            wakes_nobody const blocked;
            futex_wait(word.raw(), seen);
        } else if (!futex_wait_until(word.raw(), seen, deadline) && word.try_claim(wake_reason::timed_out)) {
            return wake_reason::timed_out;
        }
    }
    return word.reason();
}

// Perhaps the waiter is gone by now. The kernel gets its address all the same: what lies there next has a sleeper wake
// up once for nothing, as every futex sleeper must expect to.
void thread_waiter::unpark() noexcept {
    futex_wake(word.raw(), 1);
}

void waiter::wake() noexcept {
    kind const who = kind_;  // asked before: a thread that finds itself woken may end, and its waiter with it
    if (word.wake() != wait_step::make_ready) {
        return;
    }
    COIR_FAULT_DELAY(delay_wake);
    switch (who) {
    case kind::task:
        make_task_ready(static_cast<task_base&>(*this));
        return;
    case kind::thread:
        static_cast<thread_waiter*>(this)->unpark();  // only the address: see unpark()
        return;
    case kind::call:
        static_cast<called_waiter*>(this)->call();
        return;
    }
}

void waiter::make_ready() noexcept {
    switch (kind_) {
    case kind::task:
        make_task_ready(static_cast<task_base&>(*this));
        return;
    case kind::thread:
        static_cast<thread_waiter*>(this)->unpark();
        return;
    case kind::call:
        static_cast<called_waiter*>(this)->call();
        return;
    }
}

namespace {

COIR_NOINLINE waiter& this_thread_waiter() {
    static_assert(sizeof(thread_waiter) <= k_thread_object_room && alignof(thread_waiter) <= 16);
    void* const object = this_thread_object(
        thread_object::waiter, [](void* room) -> void* { return ::new (room) thread_waiter; },
        [](void* p) { static_cast<thread_waiter*>(p)->~thread_waiter(); });
    return *static_cast<thread_waiter*>(object);
}

}  // namespace

waiter& this_waiter() {
    task_base* const task = current_task_or_null();
    return task != nullptr ? static_cast<waiter&>(*task) : this_thread_waiter();
}

task_base* throw_if_cancel_pending() {
    if (COIR_FAULT_POINTS || seeded_runtimes.load(std::memory_order_relaxed) != 0) [[unlikely]] {
        sometimes_yield();
    }
    task_base* const task = current_task_or_null();
    if (task != nullptr && task->cancel_is_due()) {
        task->deliver_cancel();
    }
    return task;
}

void deliver_cancel() {
    current_task_or_null()->deliver_cancel();
}

wait_point::wait_point(task_base* self, clock::time_point deadline, cancel_policy policy) : deadline_(deadline) {
    if (self == nullptr) [[unlikely]] {
        node.who = &this_thread_waiter();
        node.who->word.prepare(false);
        return;
    }
    task_base& task = *self;
    node.who = self;
    if (deadline != k_never) {
        reserve_timer_here();
    }
    task.before_suspension();
    bool const cancellable = policy != cancel_policy::ignore && task.accepts_cancel();
    // First the word, then the requests: see invariant 5 of wait_word.hpp.
    task.word.prepare(cancellable);
    if (cancellable && policy == cancel_policy::deliver && task.cancel_is_pending()) [[unlikely]] {
        task.deliver_cancel();
    }
}

wake_reason wait_point::suspend() noexcept {
    if (node.who->is_task()) {
        auto& task = static_cast<task_base&>(*node.who);
        task.set_waits_for(&subject_);
        reason_ = suspend_task(task, deadline_);
        task.set_waits_for(nullptr);
    } else {
        reason_ = static_cast<thread_waiter*>(node.who)->sleep_until(deadline_);
    }
    return reason_;
}

void wait_point::throw_if_cancelled() const {
    if (reason_ == wake_reason::cancelled) {
        static_cast<task_base*>(node.who)->deliver_cancel();
    }
}

}  // namespace coir::detail
