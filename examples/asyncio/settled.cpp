// SPDX-License-Identifier: BSL-1.0
//
// All results, those that are exceptions too.

#include "scenarios.hpp"

#include <stdexcept>

namespace {

int half_of(int x) {
    if (x % 2 != 0) {
        throw std::invalid_argument(std::to_string(x) + " is odd");
    }
    return x / 2;
}

void settle() {
    auto [a, b] = coir::gather_settled([] { return half_of(4); }, [] { return half_of(5); });
    std::cout << "first: " << a.value() << '\n';
    try {
        std::rethrow_exception(b.error());
    } catch (std::invalid_argument const& e) {
        std::cout << "second: " << e.what() << '\n';
    }
}

}  // namespace

void scenarios::settled() {
    coir::run(as_one_loop(), settle);
}
