// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/context.hpp>

#include "core/task/heritage.hpp"

#include <coir/core/base/tls.hpp>
#include <coir/core/task/fork_record.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/core/task/task_base.hpp>

#include <algorithm>
#include <atomic>

namespace coir::detail {
namespace {

constexpr std::uint64_t k_on_plain_thread = std::uint64_t{1} << 63;  // tasks are not numbered so high

task_base& calling_task() {
    task_base* const task = current_task_or_null();
    if (task == nullptr) {
        throw no_running_runtime(
            "a variable of a task needs one: call this from inside coir::run or runtime::block_on");
    }
    return *task;
}

// The one on whose values the caller works, if that is on a plain thread: a task has its own.
context_scope* scope_of_caller() noexcept {
    return current_task_or_null() == nullptr ? this_context_scope() : nullptr;
}

// Where the values are that whoever calls this sees. Null if it has none, and none can be there.
std::shared_ptr<context_values const> const* values_here() noexcept {
    if (task_base* const task = current_task_or_null()) {
        return task->has(task_base::k_has_context) ? &task->extra().context : nullptr;
    }
    context_scope* const scope = this_context_scope();
    return scope != nullptr ? &scope->values() : nullptr;
}

// Others look at a task's values while it has open calls: those get what there is at this moment.
void exchange_values(task_base& task, std::shared_ptr<context_values const>& values) noexcept {
    give_open_calls_away();
    task.extra().context.swap(values);
    task.add_trait(task_base::k_has_context);
}

}  // namespace

context_scope::context_scope(std::shared_ptr<context_values const> values)
    : id_(k_on_plain_thread | new_variable_id()), values_(std::move(values)), task_(current_task_or_null()),
      outer_(this_context_scope()) {
    if (task_ != nullptr) {
        task_->extra();  // throws, if at all, now
        exchange_values(*task_, values_);
    } else {
        set_this_context_scope(this);
    }
}

context_scope::~context_scope() {
    if (task_ != nullptr) {
        exchange_values(*task_, values_);
    } else {
        set_this_context_scope(outer_);
    }
}

std::shared_ptr<context_values const> values_of_caller() noexcept {
    auto const* const values = values_here();
    return values != nullptr ? *values : nullptr;
}

std::uint64_t new_variable_id() noexcept {
    static std::atomic<std::uint64_t> next{1};
    return next.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t context_id_of_caller() {
    context_scope* const scope = scope_of_caller();
    return scope != nullptr ? scope->id() : calling_task().id();
}

std::shared_ptr<void const> context_value(std::uint64_t id) noexcept {
    auto const* const values = values_here();
    if (values == nullptr || *values == nullptr) {
        return nullptr;
    }
    auto const& entries = (*values)->entries;
    auto const found = std::ranges::find(entries, id, &context_values::entry::id);
    return found != entries.end() ? found->value : nullptr;
}

std::shared_ptr<void const> exchange_context_value(std::uint64_t id, std::shared_ptr<void const> value) {
    context_scope* const scope = scope_of_caller();
    task_base* const task = scope == nullptr ? &calling_task() : nullptr;
    auto const present = values_of_caller();
    auto next = present != nullptr ? std::make_shared<context_values>(*present) : std::make_shared<context_values>();
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
    std::shared_ptr<context_values const> values = std::move(next);
    if (task != nullptr) {
        task->extra();  // throws, if at all, now
        exchange_values(*task, values);
    } else {
        scope->values().swap(values);
    }
    return previous;  // the values of before end last: their destructors are the user's, and may come back here
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
