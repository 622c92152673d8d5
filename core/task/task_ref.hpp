// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   task_ref         a copyable reference to a task: who it is and how it does, without its result
//   current_task()   the calling task
//   all_tasks()      those of the calling task's runtime that have not ended
//   cancel_shield    while one lives in a task, no cancellation is thrown in it

#include <coir/core/task/task_base.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace coir {

/// How far a task has come.
enum class task_state : std::uint8_t {
    created,    ///< not started yet
    active,     ///< started: running, ready or waiting
    returned,   ///< ended with a value
    failed,     ///< ended with an exception
    cancelled,  ///< ended by cancellation
};

/// A copyable reference to a task (to move is to copy). Keeps the task's record, not the task: it neither waits for it
/// nor cancels it when it goes. May be used from any thread; nothing here suspends.
class task_ref {
public:
    explicit task_ref(detail::state_ptr<detail::task_base> state) noexcept : state_(std::move(state)) {}
    task_ref(task_ref const&) = default;
    task_ref& operator=(task_ref const&) = default;
    ~task_ref() = default;

    /// The name it was given, or "task-<id>".
    std::string name() const { return state_->name(); }
    /// Unique in the process.
    std::uint64_t id() const noexcept { return state_->id(); }
    task_state state() const noexcept;
    /// The task that spawned this one, as long as something still refers to it.
    std::optional<task_ref> parent() const;
    bool done() const noexcept { return state_->is_done(); }

    /// Requests cancellation: `cancelled` is thrown out of the task's present or next suspension point. Requests that have
    /// not been delivered coalesce. False if the task has ended.
    bool cancel(std::string reason = {}) const {
        return state_->request_cancel(detail::keep_reason(std::move(reason)));
    }
    /// How many requests were made and not taken back.
    unsigned cancelling() const noexcept { return state_->cancelling(); }
    /// Takes one request back and returns how many are left; with the last one, a request not yet delivered is cleared.
    unsigned uncancel() const noexcept { return state_->uncancel(); }

    // For the library: cancel() where nothing may throw.
    bool cancel_noexcept(char const* reason) const noexcept {
        return state_->request_cancel(detail::keep_reason(reason));
    }

    friend bool operator==(task_ref const& a, task_ref const& b) noexcept { return a.state_.get() == b.state_.get(); }

private:
    detail::state_ptr<detail::task_base> state_;
};

/// The calling task. Throws no_running_runtime outside of one. Does not suspend.
task_ref current_task();

/// All tasks of the calling task's runtime that have not ended, the caller among them, in no order. A task that starts
/// or ends meanwhile may or may not be there. Throws no_running_runtime outside of a task. Does not suspend.
std::vector<task_ref> all_tasks();

/// While one lives, no cancellation is thrown in the task that made it; requests wait until it is gone. For destructors
/// and clean-up code that must wait. Nests. Outside of a task it does nothing. Must end in the task that made it.
class cancel_shield {
public:
    cancel_shield() noexcept;
    ~cancel_shield();
    cancel_shield(cancel_shield const&) = delete;
    cancel_shield& operator=(cancel_shield const&) = delete;

private:
    detail::task_base* task_;
};

}  // namespace coir
