// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/gather.hpp>

#include <coir/core/task/wait_many.hpp>

namespace coir::detail {

void await_all_settled(std::span<gathered const> children) {
    std::vector<shared_state_base*> states;
    states.reserve(children.size());
    for (gathered const& child : children) {
        states.push_back(child.state);
    }
    bool cancelled = false;
    {
        wait_many wait(states, wait_many::until::all);
        cancelled = wait.run();
    }
    if (cancelled) {
        cancel_and_await(states);
        current_task_or_null()->deliver_cancel();
    }
}

void await_all(std::span<gathered const> children) {
    std::vector<shared_state_base*> states;
    std::vector<shared_state_base*> owned;
    states.reserve(children.size());
    for (gathered const& child : children) {
        states.push_back(child.state);
        if (child.owned) {
            owned.push_back(child.state);
        }
    }
    bool cancelled = false;
    shared_state_base* failed = nullptr;
    {
        wait_many wait(states, wait_many::until::all_or_failure);
        cancelled = wait.run();
        failed = wait.first_early();
    }
    task_base* const self = current_task_or_null();
    if (cancelled) {
        // Theirs before ours: whoever is cancelled here waits until everything below has ended.
        cancel_and_await(states);
        self->deliver_cancel();
    }
    if (failed == nullptr) {
        return;
    }
    wait_many rest(owned, wait_many::until::all);
    if (rest.run()) {
        cancel_and_await(owned);  // the request itself stays for the next suspension point
    }
    for (shared_state_base* state : owned) {
        state->error();  // gather started them, nobody else can look: only the first failure is told
    }
    failed->rethrow_error();
}

}  // namespace coir::detail
