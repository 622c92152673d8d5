// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/bridge_threads.hpp>

#include "executors/thread_pool_impl.hpp"

namespace coir::detail {

executor& bridge_threads() {
    // As many as a pool may have. A bound within a program's reach would be a trap: what runs here may wait for something
    // else that is to run here, and would never get it.
    constexpr std::size_t k_most = 100'000;
    // Ten seconds: copied from Tokio's pool for blocking calls.
    static auto& threads = *[] {
        auto* const made = new thread_pool_executor(
            {.max_workers = k_most, .thread_name_prefix = "coir-bridge", .idle_timeout = std::chrono::seconds(10)});
        made->pool_->let_threads_go();
        return made;
    }();
    return threads;
}

}  // namespace coir::detail
