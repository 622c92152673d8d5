// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/waiting_job.hpp>

#include <coir/core/base/errors.hpp>
#include <coir/executors/bridge_threads.hpp>

#include <exception>
#include <utility>

namespace coir::detail {

waiting_job::~waiting_job() {
    drop_job();
}

bool waiting_job::wait_for(shared_state_base& state, job what) noexcept {
    what_ = std::move(what);
    what_.end_outside_work();  // nothing goes on outside until the state is complete
    arm();
    return state.add(node_);
}

bool waiting_job::withdraw(shared_state_base& state) noexcept {
    if (!word.try_claim(wake_reason::cancelled)) {
        return false;
    }
    state.erase(node_);
    drop_job();
    return true;
}

void waiting_job::run_elsewhere(called_waiter& self) noexcept {
    job what = std::move(static_cast<waiting_job&>(self).what_);
    what.begin_outside_work();
    // Unbounded and never shut down: a thread that cannot be started is reported by the job itself.
    bridge_threads().execute(std::move(what));
}

void waiting_job::drop_job() noexcept {
    if (what_) {
        what_.abandon(std::make_exception_ptr(cancelled(detail::keep_reason("nobody waits any more"))));
    }
}

}  // namespace coir::detail
