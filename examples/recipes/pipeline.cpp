// SPDX-License-Identifier: BSL-1.0
//
// Bounded channels hold the producer back; cancelling the whole ends every stage.

#include "recipes.hpp"

#include <coir/coir.hpp>

#include <chrono>
#include <iostream>

using namespace std::chrono_literals;

namespace {

int squared(int x) {
    coir::sleep(3ms);
    return x * x;
}

void run_stages(int& produced, int& consumed) {
    coir::channel<int> numbers(4);  // push() waits while four are in it
    coir::channel<int> squares(4);
    coir::scope([&](coir::task_group& stages) {
        stages.spawn([&] {
            for (int i = 0; i < 1000; ++i) {
                numbers.push(i);
                ++produced;
            }
            numbers.close();
        });
        stages.spawn([&] {
            coir::scope([&](coir::task_group& workers) {
                for (int w = 0; w < 3; ++w) {
                    workers.spawn([&] {
                        for (int const x : numbers) {
                            squares.push(squared(x));
                        }
                    });
                }
            });  // all three have ended
            squares.close();
        });
        stages.spawn([&] {
            for ([[maybe_unused]] int const x : squares) {
                coir::sleep(2ms);
                ++consumed;
            }
        });
    });
}

void cancel_half_way() {
    int produced = 0;  // plain integers: here is one worker
    int consumed = 0;
    auto work = coir::spawn([&] { run_stages(produced, consumed); });
    coir::sleep(1s);
    work.cancel("half-way");
    try {
        work.get();
    } catch (coir::cancelled const& c) {
        std::cout << "cancelled: " << c.reason() << '\n';
    }
    std::cout << "consumed more than 400? " << std::boolalpha << (consumed > 400) << '\n';
    std::cout << "at most 12 on the way? " << (produced - consumed <= 12) << '\n';
    std::cout << "tasks left: " << coir::all_tasks().size() << '\n';
}

}  // namespace

void recipes::pipeline() {
    coir::run({.workers = 1, .virtual_time = true}, cancel_half_way);
}
