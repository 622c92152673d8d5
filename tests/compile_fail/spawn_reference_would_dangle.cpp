// SPDX-License-Identifier: BSL-1.0
// expect: (std::ref passes a reference)
#include <coir/core/task/task.hpp>

void misuse() {
    int counter = 0;
    coir::spawn([](int& i) { ++i; }, counter);
}
