// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/wait.hpp>

#include <coir/core/task/wait_many.hpp>

#include <stdexcept>

namespace coir::detail {
namespace {

wait_many::until condition_of(return_when when) noexcept {
    switch (when) {
    case return_when::all_completed:
        break;
    case return_when::first_completed:
        return wait_many::until::any;
    case return_when::first_exception:
        return wait_many::until::all_or_exception;
    }
    return wait_many::until::all;
}

}  // namespace

void wait_for_some(std::span<shared_state_base* const> states, wait_options const& options) {
    if (states.empty()) {
        throw std::invalid_argument("coir::wait: there is nothing to wait for");
    }
    auto const deadline = options.timeout ? deadline_after(clock::now(), *options.timeout) : k_never;
    bool cancelled = false;
    {
        wait_many wait(states, condition_of(options.return_when));
        cancelled = wait.run(deadline);
    }
    if (cancelled) {
        deliver_cancel();
    }
}

}  // namespace coir::detail
