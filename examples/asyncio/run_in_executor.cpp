// SPDX-License-Identifier: BSL-1.0
//
// Functions that block go to a pool, and their results are awaited.

#include "scenarios.hpp"

#include <stdexcept>
#include <thread>

namespace {

using namespace std::chrono_literals;

std::string blocking_call(std::string const& where) {
    std::this_thread::sleep_for(10ms);
    return "work done in the " + where;
}

void offload() {
    auto on_default = coir::run_in_executor(blocking_call, "default pool");
    std::cout << on_default.get() << '\n';

    coir::thread_pool_executor pool({.max_workers = 2, .thread_name_prefix = "mine"});
    std::cout << coir::run_in_executor(pool, blocking_call, "custom pool").get() << '\n';

    std::cout << coir::to_thread(blocking_call, "default pool, awaited at once") << '\n';

    // Mixed with tasks: both go on meanwhile.
    auto [a, b] = coir::gather(coir::run_in_executor(pool, blocking_call, "pool"), [] {
        coir::sleep(5ms);
        return std::string("a task");
    });
    std::cout << a << ", " << b << '\n';

    try {
        coir::run_in_executor([]() -> int { throw std::runtime_error("a job failed"); }).get();
    } catch (std::runtime_error const& e) {
        std::cout << e.what() << '\n';
    }
}

}  // namespace

void scenarios::run_in_executor() {
    coir::run(as_one_loop(), offload);
}
