// SPDX-License-Identifier: BSL-1.0
// expect: no matching
#include <coir/core/task/future.hpp>

void misuse(coir::future<int>& f) {
    f.on_done([](int) {});
}
