// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/bridge_threads.hpp>

#include <coir/executors/thread_pool.hpp>

namespace coir::detail {

executor& bridge_threads() {
    // Ten seconds: copied from Tokio's pool for blocking calls.
    static auto& threads = *new thread_pool_executor(
        {.max_workers = 64, .thread_name_prefix = "coir-bridge", .idle_timeout = std::chrono::seconds(10)});
    return threads;
}

}  // namespace coir::detail
