// SPDX-License-Identifier: BSL-1.0
// expect: coir: what is to run returns an rvalue reference
#include <coir/core/task/gather.hpp>
#include <string>
#include <utility>

void misuse(std::string& text) {
    coir::gather([&]() -> std::string&& { return std::move(text); });
}
