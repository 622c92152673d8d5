// SPDX-License-Identifier: BSL-1.0
#include "bench/fib/fib.hpp"

#include <thread>

namespace bench::fib {
namespace {

// As it would be written by hand; but the compiler may not turn a call into a loop, or into another number of calls.
[[gnu::noinline]] std::uint64_t compute(unsigned n) {  // NOLINT
    asm volatile("");
    return n < 2 ? n : compute(n - 1) + compute(n - 2);
}

}  // namespace

competitor plain_calls() {
    return {"plain", [](std::uint64_t units) { return measure(units, [] { return compute(k_n); }); }};
}

// What two cores give without any sharing of work.
competitor plain_on_two_threads() {
    return {"plain, two threads", [](std::uint64_t units) {
                stopwatch const watch;
                auto half = [units] { measure(units / 2 / k_calls * k_calls, [] { return compute(k_n); }); };
                std::thread other(half);
                half();
                other.join();
                return watch.nanoseconds() / static_cast<double>(units / 2 / k_calls * k_calls * 2);
            }};
}

}  // namespace bench::fib
