// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/wait_many.hpp>

#include <coir/core/task/task_base.hpp>

#include <algorithm>

namespace coir::detail {

wait_kind const wait_many::k_waits_for_several{
    "several tasks",
    [](void const* object) noexcept { return static_cast<wait_many const*>(object)->first_pending_id(); },
    "among them"};

std::uint64_t wait_many::first_pending_id() const noexcept {
    for (node const& n : nodes_) {
        if (n.state->is_task() && !n.state->is_done()) {
            return static_cast<task_base const*>(n.state)->id();
        }
    }
    return 0;
}

void throw_if_self_among(std::span<shared_state_base* const> states) {
    if (std::ranges::find(states, static_cast<shared_state_base*>(current_task_or_null())) != states.end()) {
        throw_no_state("a task cannot await itself");
    }
}

wait_many::wait_many(std::span<shared_state_base* const> states, until condition)
    : condition_(condition), nodes_(states.size()), missing_(states.size()) {
    throw_if_self_among(states);
    for (std::size_t i = 0; i < states.size(); ++i) {
        nodes_[i].owner = this;
        nodes_[i].state = states[i];
        nodes_[i].on_complete = [](completion_node& self, wake_list& wakes) noexcept {
            auto& n = static_cast<node&>(self);
            n.owner->on_one(*n.state, &wakes);
        };
    }
}

wait_many::~wait_many() {
    unlink_all();
}

bool wait_many::ends_early(shared_state_base const& state) const noexcept {
    switch (condition_) {
    case until::all:
        break;
    case until::all_or_failure:
        return state.has_error();
    case until::all_or_exception:
        return state.has_error() && !state.was_cancelled();
    case until::any:
        return true;
    }
    return false;
}

// Called under the lock of the state that completes: the waiter cannot leave before it is released, because it takes
// every node out under those locks.
void wait_many::on_one(shared_state_base& state, wake_list* wakes) noexcept {
    bool const early = ends_early(state);
    if (early) {
        shared_state_base* nobody = nullptr;
        first_early_.compare_exchange_strong(nobody, &state, std::memory_order_acq_rel);
    }
    bool const last = missing_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    if (wakes != nullptr && (early || last)) {
        wakes->claim(*who_);
    }
}

bool wait_many::run(clock::time_point deadline) {
    wait_point wait(deadline, cancel_policy::only_interrupt);
    wait.is_for(k_waits_for_several, this);
    who_ = &wait.who();
    for (node& n : nodes_) {
        if (!n.state->add(n)) {
            on_one(*n.state, nullptr);
        }
    }
    task_base* const self = current_task_or_null();
    bool cancelled = self != nullptr && self->cancel_is_due();
    if (!cancelled && !holds()) {
        cancelled = wait.suspend() == wake_reason::cancelled;
    } else {
        wait.withdraw();
    }
    unlink_all();
    // What had come about already counts, and the cancellation waits for the next suspension point.
    return cancelled && (condition_ == until::any || condition_ == until::all_or_exception
                             ? !holds()
                             : missing_.load(std::memory_order_acquire) != 0);
}

// Also waits for those that are just completing: afterwards nobody holds a pointer to a node.
void wait_many::unlink_all() noexcept {
    for (node& n : nodes_) {
        n.state->erase(n);
    }
}

}  // namespace coir::detail
