// SPDX-License-Identifier: BSL-1.0
//
// run() inside of a task is a call: nothing has to be patched for it.

#include "scenarios.hpp"

namespace {

using namespace std::chrono_literals;

int inner() {
    coir::sleep(1s);
    return 20;
}

int outer() {
    return coir::run(inner) + coir::run([] { return coir::run(inner) + 2; });
}

}  // namespace

void scenarios::nested_runs() {
    std::cout << "result: " << coir::run(as_one_loop(), outer) << '\n';
}
