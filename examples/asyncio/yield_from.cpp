// SPDX-License-Identifier: BSL-1.0
//
// A generator that yields all of another one. No runtime is needed for those.

#include "scenarios.hpp"

namespace {

coir::generator<int> inner_numbers() {
    return coir::generator<int>([](auto& yield) {
        yield(3);
        yield(4);
    });
}

coir::generator<int> numbers() {
    return coir::generator<int>([](auto& yield) {
        yield(1);
        yield.from(inner_numbers());
        yield(2);
    });
}

void print_numbers() {
    for (int const number : numbers()) {
        std::cout << number << '\n';
    }
}

}  // namespace

void scenarios::yield_from() {
    print_numbers();
}
