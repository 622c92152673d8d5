// SPDX-License-Identifier: BSL-1.0
//
// Shutdown, in this order:
//   1. closed_: spawns from outside are refused. Tasks may still spawn; what they spawn is born cancelled.
//   2. Every task is cancelled, and every suspension point of it throws from then on.
//   3. Wait until all have ended. Who refuses is named in a warning; there is no giving up, because a task's stack may hold
//      anything.
//   4. What other layers attached ends (the default executor finishes its jobs).
//   5. The workers stop.
// The records of tasks live on as long as there are handles.

#include "core/base/forked.hpp"
#include "core/sched/blocking_section.hpp"
#include "core/sched/scheduler.hpp"

#include <coir/core/base/back_off.hpp>
#include <coir/core/base/errors.hpp>

#include <cstdio>
#include <new>
#include <string>

namespace coir::detail {
namespace {

// A task may be born between two looks at all of them: so they are looked at again and again.
constexpr auto k_look_again = std::chrono::milliseconds(10);
constexpr auto k_warn_after = std::chrono::seconds(5);

}  // namespace

void scheduler::shut_down() {
    if (runtime_of_this_thread() == this) {
        throw invalid_state("a runtime cannot be shut down by one of its own tasks");
    }
    if (in_a_fork.load(std::memory_order_relaxed)) {
        return;  // its threads are in another process
    }
    std::lock_guard const once(shutdown_lock_);
    if (shut_down_) {
        return;
    }
    closed_.store(true, std::memory_order_seq_cst);
    shutting_down_.store(true, std::memory_order_seq_cst);
    drain();
    end_attachments();
    stop_threads();
    for (back_off wait; foreign_wakers_.load(std::memory_order_acquire) != 0;) {
        wait.pause();
    }
    drop_late_entries();
    shut_down_ = true;
}

void scheduler::cancel_all_tasks() noexcept {
    cancel_live_tasks([](task_base& task) noexcept { task.cancel_for_shutdown(); });
}

void scheduler::drain() {
    draining_.store(true, std::memory_order_seq_cst);
    auto const warn_at = std::chrono::steady_clock::now() + k_warn_after;
    bool warned = false;
    for (;;) {
        cancel_all_tasks();
        std::unique_lock lock(drain_lock_);
        if (drained_.wait_for(lock, k_look_again, [this] { return all_ended(); })) {
            return;
        }
        lock.unlock();
        if (!warned && std::chrono::steady_clock::now() > warn_at) {
            warn_of_refusers();
            warned = true;
        }
    }
}

// Every worker counts for itself. Ends are read first: a task that is counted as ended was counted as spawned before,
// so equal sums mean that at the moment between the two readings nothing was alive.
bool scheduler::all_ended() const noexcept {
    std::uint64_t ended = 0;
    for (auto const& w : workers_) {
        ended += w->stats().tasks_ended.read_acquire();
    }
    std::uint64_t spawned = spawned_outside_.load(std::memory_order_seq_cst);
    for (auto const& w : workers_) {
        spawned += w->stats().tasks_spawned.read();
    }
    return ended == spawned;
}

void scheduler::notify_drain() noexcept {
    if (all_ended()) {
        std::lock_guard const guard(drain_lock_);
        drained_.notify_all();
    }
}

void scheduler::warn_of_refusers() {
    std::string names;
    try {
        for (auto const& task : live_tasks()) {
            names += (names.empty() ? "'" : ", '") + task->name() + "'";
        }
    } catch (std::bad_alloc const&) {
        names.clear();  // and what is there to be said goes without them
    }
    std::fprintf(stderr, "coir: still waiting for tasks that do not end although they were cancelled: %s\n",
                 names.c_str());
}

}  // namespace coir::detail
