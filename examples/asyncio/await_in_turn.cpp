// SPDX-License-Identifier: BSL-1.0
//
// Awaiting a coroutine is calling a function: one after the other.

#include "scenarios.hpp"

namespace {

using namespace std::chrono_literals;

std::string request(std::string const& what) {
    std::cout << "asking for " << what << '\n';
    coir::sleep(2s);  // the task waits, the thread does not
    return what + ", please";
}

void fetch_both() {
    scenarios::stopwatch const watch;
    std::cout << request("tea") << '\n';
    std::cout << request("milk") << '\n';
    std::cout << "took " << watch.seconds() << " s\n";
}

}  // namespace

void scenarios::await_in_turn() {
    coir::run(as_one_loop(), fetch_both);
}
