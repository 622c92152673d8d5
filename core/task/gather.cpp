// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/gather.hpp>

#include <coir/core/task/task_base.hpp>
#include <coir/core/task/wait_many.hpp>

#include <algorithm>
#include <iterator>

namespace coir::detail {
namespace {

// By a task that is cancelled: cancels them all, and waits until they have ended. One that it does not own may wait for
// the caller's own end in turn; then it goes on without that one.
void cancel_and_await(std::span<gathered const> children) {
    for (gathered const& child : children) {
        child.state->request_cancel(nullptr);
    }
    task_base* const self = current_task_or_null();
    for (gathered const& child : children) {
        if (!child.state->is_done()) {
            self->await_end(*child.state, !child.owned);
        }
    }
}

}  // namespace

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
        cancel_and_await(children);
        current_task_or_null()->deliver_cancel();
    }
}

void await_all(std::span<gathered const> children) {
    std::vector<shared_state_base*> states;
    states.reserve(children.size());
    for (gathered const& child : children) {
        states.push_back(child.state);
    }
    std::vector<gathered> owned;
    std::ranges::copy_if(children, std::back_inserter(owned), &gathered::owned);
    std::vector<shared_state_base*> owned_states;
    std::ranges::transform(owned, std::back_inserter(owned_states), &gathered::state);
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
        cancel_and_await(children);
        self->deliver_cancel();
    }
    if (failed == nullptr) {
        return;
    }
    wait_many rest(owned_states, wait_many::until::all);
    if (rest.run()) {
        cancel_and_await(owned);  // the request itself stays for the next suspension point
    }
    for (shared_state_base* state : owned_states) {
        state->error();  // gather started them, nobody else can look: only the first failure is told
    }
    failed->rethrow_error();
}

}  // namespace coir::detail
