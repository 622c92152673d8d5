// SPDX-License-Identifier: BSL-1.0
// expect: coir::generator: there are no elements of type void
#include <coir/core/task/generator.hpp>

void misuse() {
    coir::generator<void> steps([](auto& yield) { yield(); });
}
