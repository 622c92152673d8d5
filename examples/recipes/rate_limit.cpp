// SPDX-License-Identifier: BSL-1.0
//
// So many calls a second, whoever makes them; and a job that comes round again and again.

#include "recipes.hpp"

#include <coir/coir.hpp>

#include <chrono>
#include <iostream>
#include <mutex>

using namespace std::chrono_literals;

namespace {

class rate_limiter {
public:
    explicit rate_limiter(std::chrono::milliseconds apart) : ticks_(apart) {}

    void wait_for_turn() {
        std::scoped_lock const in_line(line_);  // in the order of coming
        ticks_.tick();
    }

private:
    coir::mutex line_;
    coir::interval ticks_;
};

void call_and_report() {
    auto const start = coir::clock::now();
    auto const at = [start] { return (coir::clock::now() - start) / 1ms; };
    auto reports = coir::spawn([&] {
        coir::interval every(240ms);
        while (true) {
            every.tick();  // the first after 240 ms, not at once
            std::cout << "report at " << at() << " ms\n";
        }
    });
    rate_limiter limit(100ms);
    coir::task_group calls;
    for (int i = 1; i <= 5; ++i) {
        calls.spawn([&, i] {
            limit.wait_for_turn();
            std::cout << "call " << i << " at " << at() << " ms\n";
        });
    }
    calls.wait();
    reports.cancel();
    reports.wait();
}

}  // namespace

void recipes::rate_limit() {
    coir::run({.workers = 1, .virtual_time = true}, call_and_report);
}
