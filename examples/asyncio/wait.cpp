// SPDX-License-Identifier: BSL-1.0
//
// Waiting for several tasks: for all of them, for some time, or for the first.

#include "scenarios.hpp"

#include <vector>

namespace {

using namespace std::chrono_literals;

std::string deliver(std::string what, std::chrono::seconds time) {
    coir::sleep(time);
    return what;
}

std::vector<coir::task<std::string>> order_two() {
    std::vector<coir::task<std::string>> orders;
    orders.push_back(coir::spawn(coir::task_options{.name = "n1"}, deliver, "soup", 2s));
    orders.push_back(coir::spawn(coir::task_options{.name = "n2"}, deliver, "bread", 1s));
    return orders;
}

void wait_for_orders() {
    auto orders = order_two();
    auto first = coir::wait(orders, {.return_when = coir::return_when::first_completed});
    for (coir::task<std::string>& order : first.done) {
        std::cout << order.name() << " came first: " << order.get() << '\n';
    }

    orders = order_two();
    auto in_time = coir::wait(orders, {.timeout = 1500ms});
    std::cout << in_time.done.size() << " done, " << in_time.pending.size() << " pending\n";
    auto all = coir::wait(orders);
    for (coir::task<std::string>& order : all.done) {
        std::cout << order.name() << ": " << order.get() << '\n';
    }
}

}  // namespace

void scenarios::wait() {
    coir::run(as_one_loop(), wait_for_orders);
}
