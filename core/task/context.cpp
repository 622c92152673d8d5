// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/context.hpp>

#include "core/task/heritage.hpp"

#include <coir/core/task/fork_record.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/core/task/task_base.hpp>

#include <algorithm>
#include <atomic>

namespace coir::detail {
namespace {

task_base& calling_task() {
    task_base* const task = current_task_or_null();
    if (task == nullptr) {
        throw no_running_runtime(
            "a variable of a task needs one: call this from inside coir::run or runtime::block_on");
    }
    return *task;
}

}  // namespace

std::uint64_t new_variable_id() noexcept {
    static std::atomic<std::uint64_t> next{1};
    return next.fetch_add(1, std::memory_order_relaxed);
}

std::shared_ptr<void const> context_value(std::uint64_t id) noexcept {
    task_base* const task = current_task_or_null();
    if (task == nullptr || !task->has(task_base::k_has_context)) {
        return nullptr;
    }
    auto const& entries = task->extra().context->entries;
    auto const found = std::ranges::find(entries, id, &context_values::entry::id);
    return found != entries.end() ? found->value : nullptr;
}

std::shared_ptr<void const> exchange_context_value(std::uint64_t id, std::shared_ptr<void const> value) {
    task_base& task = calling_task();
    task_extra& extra = task.extra();
    auto next = extra.context ? std::make_shared<context_values>(*extra.context) : std::make_shared<context_values>();
    auto const found = std::ranges::find(next->entries, id, &context_values::entry::id);
    std::shared_ptr<void const> previous;
    if (found == next->entries.end()) {
        if (value) {
            next->entries.push_back({id, std::move(value)});
        }
    } else {
        previous = std::exchange(found->value, std::move(value));
        if (!found->value) {
            next->entries.erase(found);
        }
    }
    give_open_calls_away();  // with the values of this moment
    // What was there ends last: its destructors are the user's, and may come back here.
    std::shared_ptr<context_values const> const old = std::exchange(extra.context, std::move(next));
    task.add_trait(task_base::k_has_context);
    return previous;
}

void* local_object(std::uint64_t id, local_ptr (*make)(void const* maker), void const* maker) {
    task_base& task = calling_task();
    task_extra& extra = task.extra();
    if (!extra.locals) {
        extra.locals = std::make_shared<local_values>();
    }
    auto& entries = extra.locals->entries;
    auto const found = std::ranges::find(entries, id, &local_values::entry::id);
    if (found != entries.end()) {
        return found->object.get();
    }
    local_ptr object = make(maker);  // may suspend, and may ask for others
    void* const result = object.get();
    entries.push_back({id, std::move(object)});
    give_open_calls_away();  // others look at the traits of a task with open calls
    task.add_trait(task_base::k_has_locals);
    return result;
}

}  // namespace coir::detail
