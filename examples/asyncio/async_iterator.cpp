// SPDX-License-Identifier: BSL-1.0
//
// An iterator that waits for each element is a range whose body waits.

#include "scenarios.hpp"

namespace {

using namespace std::chrono_literals;

coir::generator<std::string> lines() {
    return coir::generator<std::string>([](auto& yield) {
        for (int number = 1; number <= 3; ++number) {
            coir::sleep(1s);
            yield("line " + std::to_string(number));
        }
    });
}

void read_lines() {
    scenarios::stopwatch const watch;
    auto other = coir::spawn([] {
        coir::sleep(1500ms);
        std::cout << "(another task meanwhile)\n";
    });
    for (auto const& line : lines()) {
        std::cout << line << " after " << watch.seconds() << " s\n";
    }
}

}  // namespace

void scenarios::async_iterator() {
    coir::run(as_one_loop(), read_lines);
}
