// SPDX-License-Identifier: BSL-1.0
//
// A function runs in the event loop: there is none to get, set or close.

#include "scenarios.hpp"

#include <stdexcept>

namespace {

int greet() {
    std::cout << "in the loop\n";
    return 7;
}

}  // namespace

void scenarios::event_loop() {
    int const result = coir::run(as_one_loop(), greet);
    std::cout << "result: " << result << '\n';

    // asyncio.new_event_loop() and run_until_complete(): a runtime that one keeps.
    coir::runtime loop(as_one_loop());
    loop.block_on(greet);
    std::cout << "result: " << loop.block_on([](int x) { return x + 1; }, 41) << '\n';
    try {
        loop.block_on([] { throw std::runtime_error("failed in the loop"); });
    } catch (std::runtime_error const& e) {
        std::cout << e.what() << '\n';
    }
}
