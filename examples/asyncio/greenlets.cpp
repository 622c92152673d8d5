// SPDX-License-Identifier: BSL-1.0
//
// Two functions that switch to each other by hand.

#include "scenarios.hpp"

#include <optional>

namespace {

void switch_by_hand() {
    std::optional<coir::coroutine> second;
    coir::coroutine first([&] {
        std::cout << "1\n";
        second->switch_to();
        std::cout << "2\n";
        second->switch_to();
    });
    second.emplace([&] {
        std::cout << "3\n";
        first.switch_to();
        std::cout << "4\n";
    });  // ends, and goes back to who made it
    first.switch_to();
    std::cout << "first is done: " << std::boolalpha << first.done() << ", second: " << second->done() << '\n';
}  // the rest of first is unwound here

}  // namespace

void scenarios::greenlets() {
    coir::run(as_one_loop(), switch_by_hand);
}
