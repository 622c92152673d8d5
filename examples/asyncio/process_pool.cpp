// SPDX-License-Identifier: BSL-1.0
//
// Functions in worker processes. main() begins with coir::serve_if_worker(argc, argv).

#include "scenarios.hpp"

#include <coir/process_pool.hpp>

#include <vector>

namespace {

long sum_up_to(int last) {
    long sum = 0;
    for (int i = 1; i <= last; ++i) {
        sum += i;
    }
    return sum;
}

void compute_in_processes() {
    coir::process_pool_executor pool({.max_workers = 2});
    std::cout << "result: " << coir::run_in_executor<&sum_up_to>(pool, 100).get() << '\n';

    for (long const sum : pool.map<&sum_up_to>(std::vector<int>{1, 10, 1000})) {
        std::cout << "result: " << sum << '\n';
    }
}

}  // namespace

void scenarios::process_pool() {
    coir::run(compute_in_processes);
}
