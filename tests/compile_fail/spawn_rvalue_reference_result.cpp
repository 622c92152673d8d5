// SPDX-License-Identifier: BSL-1.0
// expect: coir: what is to run returns an rvalue reference
#include <coir/core/task/task.hpp>
#include <string>
#include <utility>

void misuse(std::string& text) {
    coir::spawn([&]() -> decltype(auto) { return std::move(text); }).get();
}
