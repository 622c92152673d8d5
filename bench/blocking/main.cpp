// SPDX-License-Identifier: BSL-1.0
//
// blocking(f) around an f that does nothing, in a task, while nobody has to take the worker's place.

#include "bench/support/paired.hpp"

#include <coir/coir.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace {

using namespace bench;

// Keeps the compiler from seeing through the call.
[[gnu::noipa]] std::uint64_t nothing(std::uint64_t n) {
    return n;
}

template <class Call>
double timed(std::uint64_t calls, Call call) {
    std::uint64_t sum = 0;
    stopwatch const watch;
    for (std::uint64_t i = 0; i < calls; ++i) {
        sum += call();
    }
    double const took = watch.nanoseconds();
    expect_equal(sum, calls, "calls");
    return took / static_cast<double>(calls);
}

competitor plain_call() {
    return {"plain call", [](std::uint64_t calls) { return timed(calls, [] { return nothing(1); }); }};
}

competitor coir_blocking(unsigned workers) {
    auto const home = std::make_shared<coir::runtime>(coir::runtime_options{.workers = workers});
    return {"coir " + std::to_string(workers), [home](std::uint64_t calls) {
                return home->block_on(
                    [calls] { return timed(calls, [] { return coir::blocking([] { return nothing(1); }); }); });
            }};
}

}  // namespace

int main() {
    return guarded_main([] {
        compare({.title = "blocking(f) around an empty f", .unit = "ns/call"},
                {plain_call(), coir_blocking(1), coir_blocking(2)}, {});
    });
}
