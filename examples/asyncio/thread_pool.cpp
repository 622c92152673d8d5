// SPDX-License-Identifier: BSL-1.0
//
// Executors are used without any runtime as well.

#include "scenarios.hpp"

#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

int square(int x) {
    std::this_thread::sleep_for(10ms);  // blocks its thread
    return x * x;
}

void one_job_after_the_other() {
    coir::thread_pool_executor pool({.max_workers = 5});
    for (int i = 1; i <= 3; ++i) {
        std::cout << pool.submit(square, i).get() << '\n';
    }
}  // waits for what runs, and ends the threads

void all_jobs_at_once() {
    coir::thread_pool_executor pool({.max_workers = 5});
    std::vector<coir::future<int>> results;
    for (int i = 1; i <= 3; ++i) {
        results.push_back(pool.submit(square, i));
    }
    for (auto& result : results) {
        std::cout << result.get() << '\n';
    }
}

}  // namespace

void scenarios::thread_pool() {
    one_job_after_the_other();
    all_jobs_at_once();
}
