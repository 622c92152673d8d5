// SPDX-License-Identifier: BSL-1.0
// expect: coir::generator: the body must be callable as body(yield)
#include <coir/core/task/generator.hpp>

void misuse() {
    coir::generator<int> numbers([] { return 1; });
}
