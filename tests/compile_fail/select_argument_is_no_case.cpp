// SPDX-License-Identifier: BSL-1.0
// expect: coir::select: each argument must be a case
#include <chrono>
#include <coir/sync/select.hpp>

void misuse(coir::task<int>& t) {
    coir::select(coir::after(std::chrono::seconds(1), [] {}), t);
}
