// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/coroutine.hpp>

#include <coir/executors/bridge_threads.hpp>

namespace coir::detail {

bool waiting_coroutine::wait_for(shared_state_base& state, std::coroutine_handle<> who) {
    resumption_ = job([who] { who.resume(); });  // now, when a lack of memory can still be thrown
    arm();
    return state.add(node_);
}

void waiting_coroutine::resume_elsewhere(called_waiter& self) noexcept {
    job resumption = std::move(static_cast<waiting_coroutine&>(self).resumption_);
    // Unbounded and never shut down: a thread that cannot be started is reported by the job itself.
    bridge_threads().execute(std::move(resumption));
}

}  // namespace coir::detail
