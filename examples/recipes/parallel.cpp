// SPDX-License-Identifier: BSL-1.0
//
// Work that computes, on all workers.

#include "recipes.hpp"

#include <coir/coir.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <vector>

namespace {

template <class Iterator>
void sort_in_parallel(Iterator first, Iterator last) {
    constexpr auto k_small = 4096;
    if (last - first < k_small) {
        std::sort(first, last);
        return;
    }
    auto const middle = first + (last - first) / 2;
    coir::fork_join([=] { sort_in_parallel(first, middle); }, [=] { sort_in_parallel(middle, last); });
    std::inplace_merge(first, middle, last);
}

double seconds_with(unsigned workers, std::vector<unsigned> numbers) {
    // What computes keeps its worker, and is not to be reported for it.
    return coir::run({.workers = workers, .stall_threshold = std::chrono::seconds(0)}, [&] {
        auto const start = std::chrono::steady_clock::now();
        sort_in_parallel(numbers.begin(), numbers.end());
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    });
}

std::vector<unsigned> shuffled(unsigned count) {
    std::vector<unsigned> numbers(count);
    unsigned last = 1;
    std::ranges::generate(numbers, [&] { return last = last * 1664525 + 1013904223; });
    return numbers;
}

}  // namespace

void recipes::parallel() {
    auto numbers = shuffled(200'000);
    std::cout << "speed-up measured: " << std::boolalpha << (seconds_with(1, numbers) / seconds_with(2, numbers) > 0)
              << '\n';
    coir::run([&] {
        sort_in_parallel(numbers.begin(), numbers.end());
        std::cout << "sorted? " << std::ranges::is_sorted(numbers) << '\n';
        auto const odd = coir::parallel_reduce(
            numbers.begin(), numbers.end(), 10'000, 0, [](auto number) { return static_cast<int>(*number % 2); },
            std::plus<>());
        std::cout << "odd ones: " << odd << '\n';
    });
}
