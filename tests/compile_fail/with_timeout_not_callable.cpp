// SPDX-License-Identifier: BSL-1.0
// expect: coir::with_timeout, with_deadline: f must be callable as f() or f(timeout_scope&)
#include <chrono>
#include <coir/core/task/timeout.hpp>

void misuse(coir::task<int>& t) {
    coir::with_timeout(std::chrono::seconds(1), t);
}
