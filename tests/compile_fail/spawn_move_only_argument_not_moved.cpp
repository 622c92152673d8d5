// SPDX-License-Identifier: BSL-1.0
// expect: coir: the callable or an argument cannot be copied: pass it with std::move
#include <coir/core/task/task.hpp>
#include <memory>

void misuse(std::unique_ptr<int> p) {
    coir::spawn([](std::unique_ptr<int>) {}, p);
}
