// SPDX-License-Identifier: BSL-1.0
//
// Results in the order in which they come.

#include "scenarios.hpp"

#include <vector>

namespace {

using namespace std::chrono_literals;

int sleep_for(int seconds) {
    coir::sleep(seconds * 1s);
    return seconds;
}

void print_as_they_come() {
    std::vector<coir::task<int>> sleepers;
    for (int const seconds : {3, 1, 2}) {
        sleepers.push_back(coir::spawn(sleep_for, seconds));
    }
    for (coir::task<int>& sleeper : coir::as_completed(sleepers)) {
        std::cout << "slept for " << sleeper.get() << " s\n";
    }
}

}  // namespace

void scenarios::as_completed() {
    coir::run(as_one_loop(), print_as_they_come);
}
