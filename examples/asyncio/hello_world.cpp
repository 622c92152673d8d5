// SPDX-License-Identifier: BSL-1.0
//
// Several at once, and all their results in the order of the arguments.

#include "scenarios.hpp"

#include <tuple>
#include <vector>

namespace {

using namespace std::chrono_literals;

std::size_t hello(std::string const& name) {
    std::cout << name << ": hello ...\n";
    coir::sleep(1s);
    std::cout << name << ": ... world!\n";
    return name.size();
}

void say_hello() {
    auto [a, b] = coir::gather([] { return hello("A"); }, [] { return hello("Bo"); });
    std::cout << "lengths: " << a << ", " << b << '\n';

    std::vector<coir::task<std::size_t>> many;
    for (auto const* name : {"C", "Dee"}) {
        many.push_back(coir::spawn(hello, name));
    }
    for (auto const length : coir::gather(many)) {
        std::cout << "length: " << length << '\n';
    }
}

}  // namespace

void scenarios::hello_world() {
    coir::run(as_one_loop(), say_hello);
}
