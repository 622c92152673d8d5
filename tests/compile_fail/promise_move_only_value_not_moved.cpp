// SPDX-License-Identifier: BSL-1.0
// expect: coir::promise: T cannot be made from these arguments
#include <coir/core/task/future.hpp>
#include <memory>

void misuse(coir::promise<std::unique_ptr<int>>& p, std::unique_ptr<int>& value) {
    p.set_value(value);
}
