// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/coroutine.hpp>

#include <coir/executors/bridge_threads.hpp>

namespace coir::detail {

waiting_coroutine::~waiting_coroutine() {
    resumption_.abandon(std::make_exception_ptr(cancelled(detail::keep_reason("the coroutine was destroyed"))));
}

bool waiting_coroutine::wait_for(shared_state_base& state, std::coroutine_handle<> who) {
    resumption_ = job([who] { who.resume(); });  // now, when a lack of memory can still be thrown
    resumption_.end_outside_work();              // nothing goes on outside until the state is complete
    arm();
    return state.add(node_);
}

void waiting_coroutine::resume_elsewhere(called_waiter& self) noexcept {
    job resumption = std::move(static_cast<waiting_coroutine&>(self).resumption_);
    resumption.begin_outside_work();
    // Unbounded and never shut down: a thread that cannot be started is reported by the job itself.
    bridge_threads().execute(std::move(resumption));
}

}  // namespace coir::detail
