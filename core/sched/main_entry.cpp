// SPDX-License-Identifier: BSL-1.0
#include "core/sched/main_entry.hpp"

#include <coir/core/sched/runtime.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace coir {
namespace detail {
namespace {

constexpr int k_cannot_serve = 125;

constinit std::atomic<worker_main> registered{nullptr};

// Read by pools on any thread; main() enters once, but nothing keeps a program from calling run() again later.
struct entered_main {
    std::mutex lock;
    std::optional<std::vector<std::string>> arguments;
};

entered_main& entered() {
    static entered_main& instance = *new entered_main;  // never destroyed: whatever ends later may make a pool
    return instance;
}

}  // namespace

void register_worker_main(worker_main serve) noexcept {
    registered.store(serve, std::memory_order_release);
}

std::optional<std::vector<std::string>> main_arguments() {
    std::lock_guard const guard(entered().lock);
    return entered().arguments;
}

std::optional<int> enter_main(int argc, char** argv) {
    {
        std::lock_guard const guard(entered().lock);
        if (!entered().arguments) {
            entered().arguments.emplace(argv, argv + argc);
        }
    }
    char const* const found = std::getenv(k_worker_marker);
    if (found == nullptr) {
        return std::nullopt;
    }
    std::string const marker = found;
    ::unsetenv(k_worker_marker);  // what this process starts is no worker
    worker_main const serve = registered.load(std::memory_order_acquire);
    if (serve == nullptr) {
        // Going on would run the whole program a second time.
        std::fprintf(stderr, "coir: started as a worker process, but no process pool is linked into this program\n");
        return k_cannot_serve;
    }
    return serve(marker);
}

}  // namespace detail

bool serve_if_worker(int argc, char** argv) {
    if (std::optional<int> const status = detail::enter_main(argc, argv)) {
        std::exit(*status);
    }
    return false;
}

}  // namespace coir
