// SPDX-License-Identifier: BSL-1.0
// expect: coir::after: f must be callable as f()
#include <chrono>
#include <coir/sync/select.hpp>

void misuse() {
    coir::select(coir::after(std::chrono::seconds(1), [](std::chrono::seconds) {}));
}
