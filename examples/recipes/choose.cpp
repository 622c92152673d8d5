// SPDX-License-Identifier: BSL-1.0
//
// Go's select loop. A closed channel's case can be taken each time, so it is left out once it has said so.

#include "recipes.hpp"

#include <coir/coir.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <string>

using namespace std::chrono_literals;

namespace {

void listen(coir::channel<std::string>& letters, coir::channel<int>& numbers, coir::event& stop) {
    bool stopped = false;
    coir::channel<int> nothing(1);  // never closed, and nobody pushes
    coir::channel<int>* from = &numbers;
    while (!stopped) {
        coir::select(  // the first that can be taken
            coir::on_ready(stop, [&] { stopped = true; }),
            coir::on_pop(letters, [](std::string const& letter) { std::cout << letter << '\n'; }),
            coir::on_pop(*from,
                         [&](std::optional<int> number) {
                             if (number) {
                                 std::cout << *number << '\n';
                             } else {
                                 std::cout << "no more numbers\n";
                                 from = &nothing;
                             }
                         }),
            coir::after(100ms, [] { std::cout << "nothing for 100 ms\n"; }));
    }
}

void write_and_stop() {
    coir::channel<std::string> letters(8);
    coir::channel<int> numbers(0);
    coir::event stop;
    auto listener = coir::spawn([&] { listen(letters, numbers, stop); });
    letters.push("dear Ann");
    numbers.push(1);
    numbers.push(2);
    numbers.close();
    coir::sleep(150ms);
    letters.push("yours, Ben");
    coir::sleep(10ms);
    stop.set();
    listener.get();
}

}  // namespace

void recipes::choose() {
    coir::run({.workers = 1, .virtual_time = true}, write_and_stop);
}
