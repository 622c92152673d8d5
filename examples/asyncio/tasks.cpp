// SPDX-License-Identifier: BSL-1.0
//
// Tasks run concurrently, and are awaited in the order of their making or in the other.

#include "scenarios.hpp"

namespace {

using namespace std::chrono_literals;

std::string cook(std::string dish, std::chrono::seconds time) {
    std::cout << dish << " is on\n";
    coir::sleep(time);
    std::cout << dish << " is done\n";
    return dish;
}

void awaited_in_order() {
    scenarios::stopwatch const watch;
    auto rice = coir::spawn(cook, "rice", 2s);
    auto beans = coir::spawn(coir::task_options{.name = "beans"}, cook, "beans", 1s);
    std::cout << "both are started\n";
    auto const first = rice.get();
    auto const second = beans.get();
    std::cout << "got " << first << " and, from task " << beans.name() << ", " << second << '\n';
    std::cout << "took " << watch.seconds() << " s\n";
}

void awaited_in_the_other_order() {
    auto rice = coir::spawn(cook, "rice", 2s);
    auto beans = coir::spawn(cook, "beans", 1s);
    auto const first = beans.get();  // rice goes on meanwhile
    std::cout << "got " << first << '\n';
    auto const second = rice.get();
    std::cout << "got " << second << '\n';
}

}  // namespace

void scenarios::tasks() {
    coir::run(as_one_loop(), awaited_in_order);
}

void scenarios::tasks_in_the_other_order() {
    coir::run(as_one_loop(), awaited_in_the_other_order);
}
