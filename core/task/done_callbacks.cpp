// SPDX-License-Identifier: BSL-1.0
#include "core/task/done_callbacks.hpp"

#include "core/task/strand_state.hpp"

#include <coir/core/task/task.hpp>

#include <mutex>
#include <utility>

namespace coir::detail {

done_callbacks::done_callbacks() : strand_(std::make_shared<strand_state>()) {}

done_callbacks::~done_callbacks() {
    while (first_ != nullptr) {
        std::exchange(first_, first_->queue_next)->abandon_unspawned();
    }
}

void done_callbacks::add(task_base& callback) noexcept {
    bool start_now = false;
    {
        std::lock_guard const guard(lock_);
        callback.queue_next = nullptr;
        (first_ == nullptr ? first_ : last_->queue_next) = &callback;
        last_ = &callback;
        start_now = state_is_done_;
    }
    if (start_now) {
        start_all();
    }
}

void done_callbacks::start_all() noexcept {
    std::unique_lock guard(lock_);
    state_is_done_ = true;
    if (std::exchange(starting_, true)) {
        return;  // whoever is at it finds the new ones too
    }
    while (first_ != nullptr) {
        task_base& callback = *first_;
        first_ = callback.queue_next;
        guard.unlock();
        start_dormant(callback);
        guard.lock();
    }
    starting_ = false;
}

callback_slot::~callback_slot() {
    delete callbacks_.load(memory_order_acquire);
}

done_callbacks& callback_slot::get(shared_state_base& state) {
    done_callbacks* found = callbacks_.load(memory_order_acquire);
    if (found != nullptr) {
        return *found;
    }
    auto made = std::make_unique<done_callbacks>();
    if (!callbacks_.compare_exchange_strong(found, made.get(), memory_order_acq_rel, memory_order_acquire)) {
        return *found;
    }
    done_callbacks& mine = *made.release();
    if (!state.add(mine)) {
        mine.start_all();
    }
    return mine;
}

void add_callback(shared_state_base& state, task_base& callback) {
    done_callbacks& callbacks = state.callbacks().get(state);
    callback.add_trait(task_base::k_starts_if_cancelled);
    if (!callback.has(task_base::k_on_strand)) {
        callback.join_strand(callbacks.common_strand());
    }
    callbacks.add(callback);
}

}  // namespace coir::detail
