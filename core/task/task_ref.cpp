// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/task_ref.hpp>

#include <coir/core/base/errors.hpp>

#include "core/task/task_events.hpp"

namespace coir {

task_state task_ref::state() const noexcept {
    if (!state_->is_done()) {
        using detail::task_base;
        auto const run = state_->state_of_run();
        return run == task_base::run_state::created || run == task_base::run_state::dormant ? task_state::created
                                                                                            : task_state::active;
    }
    if (!state_->has_error()) {
        return task_state::returned;
    }
    return state_->was_cancelled() ? task_state::cancelled : task_state::failed;
}

std::optional<task_ref> task_ref::parent() const {
    auto found = state_->parent();
    return found ? std::optional<task_ref>(std::in_place, std::move(found)) : std::nullopt;
}

task_ref current_task() {
    detail::task_base* const task = detail::current_task_or_null();
    if (task == nullptr) {
        throw no_running_runtime("no current task: call this from inside a task");
    }
    return task_ref(detail::state_ptr<detail::task_base>::share(task));
}

std::vector<task_ref> all_tasks() {
    detail::task_base* const task = detail::current_task_or_null();
    if (task == nullptr) {
        throw no_running_runtime("no current task: call this from inside a task");
    }
    std::vector<task_ref> result;
    for (auto& found : detail::live_tasks_of(task->home())) {
        result.emplace_back(std::move(found));
    }
    return result;
}

cancel_shield::cancel_shield() noexcept : task_(detail::current_task_or_null()) {
    if (task_ != nullptr) {
        task_->shield();
    }
}

cancel_shield::~cancel_shield() {
    if (task_ != nullptr) {
        task_->unshield();
    }
}

}  // namespace coir
