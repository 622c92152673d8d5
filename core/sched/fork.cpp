// SPDX-License-Identifier: BSL-1.0
//
// Calls that were put on a worker's fork stack, on their way to others: see core/task/fork_record.hpp.

#include "core/sched/scheduler.hpp"
#include "core/sched/worker.hpp"
#include "core/task/record_cache.hpp"

#include <coir/core/base/tls.hpp>
#include <coir/core/task/fork_record.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/core/task/task.hpp>

#include <new>

namespace coir::detail {
namespace {

// Guessed: deeper than trees of calls are (each level halves or better), and one page. What does not fit becomes a task at
// once.
constexpr std::uint32_t k_most_open_calls = 512;

struct run_given_call {
    fork_record* call;
    void operator()() const noexcept { call->run_given(); }
};

using call_record = task_record<void, run_given_call>;
constexpr std::size_t k_call_size_class = size_class_for(sizeof(call_record));

// What a call finds as a task of its own is what it would have found on its caller's stack: its variables, as much room, and a
// start even if the caller is cancelled (then its suspension points throw).
void inherit(task_base& child, task_base& parent) {
    child.add_trait(task_base::k_starts_if_cancelled);
    child.add_trait(task_base::k_forked_call);
    if (parent.has(task_base::k_has_context)) {
        task_base::inherit(child, &parent);
    }
    if (parent.has(task_base::k_own_stack)) {
        child.set_own_stack_size(parent.own_stack_size());
    }
}

// On a strand the calls run one after another; and what has no task (the destructor of a result) has no children.
bool shares_calls(task_base const* caller) noexcept {
    return caller != nullptr && !caller->has(task_base::k_on_strand);
}

// As a task of the calling task. Throws no_running_runtime, std::bad_alloc.
void give_to_new_task(fork_record& call) {
    birth const born = begin_birth(this_worker(), k_call_size_class);
    auto* const made = new (born.memory) call_record(born, run_given_call{&call});
    record_guard guard{made};
    inherit(*made, *born.parent);
    spawn_record(*born.home, *made);
    guard.record = nullptr;
    call.give_to(*made);  // perhaps it has run by now: only this task reads that
}

// One that was on the calling worker's stack.
void give_away(fork_record& call) noexcept {
    if (!shares_calls(current_task_or_null())) {
        call.keep();
        return;
    }
    try {
        give_to_new_task(call);
    } catch (std::bad_alloc const&) {
        call.keep();
    }
}

}  // namespace

task_base* fork_record::kept() noexcept {
    alignas(task_base) static char no_task[1];
    return reinterpret_cast<task_base*>(no_task);
}

bool fork_record::wait() noexcept {
    task_base* const task = given_to_.load(memory_order_acquire);
    if (task == kept()) {
        return true;
    }
    task->wait_uncancelled();
    bool came_back = false;
    if (task->was_cancelled()) {  // see worker::run_new(): not so if it was started
        came_back = task->cancelling() == 0;
        if (!came_back) {
            error = std::make_exception_ptr(cancelled(task->reason_of_request()));
        }
    }
    task->release_handle();
    return came_back;
}

void rethrow_first(std::initializer_list<fork_record*> calls) {
    for (fork_record* const call : calls) {
        if (call->error) {
            std::rethrow_exception(call->error);
        }
    }
    invariant_failed("a call failed without an exception", __FILE__, __LINE__);
}

void wake_for_fork() noexcept {
    this_worker()->home().wake_a_sleeper();
}

bool put_off_elsewhere(fork_record& call) noexcept {
    try {
        worker* const here = this_worker();
        if (here == nullptr || here->current_task() == nullptr) {
            throw no_running_runtime();
        }
        if (!here->put_off_slowly(call)) {
            give_to_new_task(call);
        }
        return true;
    } catch (std::bad_alloc const&) {
        call.keep();  // its frame runs it, after the others
        return true;
    } catch (no_running_runtime const&) {
        call.keep();
        call.error = std::current_exception();
        return false;
    }
}

// With a seed, one call in two becomes a task at once, so that every order of the calls comes up.
bool worker::put_off_slowly(fork_record& call) {
    if (!shares_calls(current_task())) {
        call.keep();
        return true;
    }
    if (seeded_ && next_random() % 2 == 0) {
        return false;
    }
    home_.use_forks();
    forks_.stack.give_if_asked(&give_away);
    bool const pushed = forks_.stack.push_slowly(&call, k_most_open_calls, seeded_);
    wake_another();
    return pushed;
}

void give_open_calls_away() noexcept {
    if (worker* const here = this_worker()) {
        here->give_open_calls_away();
    }
}

COIR_NOINLINE void worker::give_all_open_calls_away() noexcept {
    forks_.stack.take_all(&give_away);
}

// The oldest open call of another worker's current task, as a new task of that one's. Throws std::bad_alloc.
task_base* worker::take_call_of(worker& victim) {
    struct memory {
        void* record;
        ~memory() {
            if (record != nullptr) {
                free_record(record);
            }
        }
    } slot{allocate_record(records_, k_call_size_class)};
    task_base* taken = nullptr;
    victim.forks_.stack.take_oldest([&](fork_record& call) {
        task_base* const caller = victim.current_task();  // which has open calls: it stays, with its context
        if (!shares_calls(caller)) {
            call.keep();
            return true;  // or every idle worker would try again and again
        }
        task_base& parent = *caller;
        birth const born{slot.record, &home_, &parent, next_task_id(), home_.number()};
        auto* const made = new (born.memory) call_record(born, run_given_call{&call});
        slot.record = nullptr;
        record_guard guard{made};
        inherit(*made, parent);
        guard.record = nullptr;
        call.give_to(*made);
        taken = made;
        return true;
    });
    if (taken != nullptr) {
        counters_.tasks_spawned.add(1);
        if (home_.is_shutting_down()) {
            taken->cancel_for_shutdown();
        }
    }
    return taken;
}

}  // namespace coir::detail
