// SPDX-License-Identifier: BSL-1.0
//
// Tasks need a runtime around them.

#include "scenarios.hpp"

namespace {

void too_early() {
    try {
        auto t = coir::spawn([] { return 1; });
    } catch (coir::no_running_runtime const& e) {
        std::cout << e.what() << '\n';
    }
}

}  // namespace

void scenarios::no_running_runtime() {
    too_early();
}
