// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <coir/core/base/errors.hpp>
#include <coir/executors/executor.hpp>

namespace coir::detail {

/// shutdown() of an executor with these jobs. Throws invalid_state, with this text, where one of them would wait for itself.
template <class Jobs>
void shut_down(Jobs& jobs, shutdown_options options, char const* would_wait_for_itself) {
    if (options.wait && jobs.runs_caller()) {
        throw invalid_state(would_wait_for_itself);
    }
    jobs.close(options.cancel_pending);
    if (options.wait) {
        jobs.wait_until_ended();
    }
}

}  // namespace coir::detail
