// SPDX-License-Identifier: BSL-1.0
//
// A result that another task sets.

#include "scenarios.hpp"

#include <utility>

namespace {

using namespace std::chrono_literals;

void answer(coir::promise<int> result) {
    coir::sleep(2s);
    result.set_value(666);
}

void ask() {
    coir::promise<int> promise;
    auto result = promise.get_future();
    auto worker = coir::spawn(answer, std::move(promise));
    std::cout << "done already? " << std::boolalpha << result.done() << '\n';
    worker.get();
    std::cout << "done now? " << result.done() << '\n';
    std::cout << "result: " << result.get() << '\n';
}

}  // namespace

void scenarios::future() {
    coir::run(as_one_loop(), ask);
}
