// SPDX-License-Identifier: BSL-1.0
//
// The calling task, and all of them.

#include "scenarios.hpp"

#include <set>

namespace {

using namespace std::chrono_literals;

void look_around() {
    std::cout << "this is " << coir::current_task().name() << '\n';
    auto a = coir::spawn(coir::task_options{.name = "a"}, [] {
        std::cout << "this is " << coir::current_task().name() << ", of " << coir::current_task().parent()->name()
                  << '\n';
        coir::sleep(1s);
    });
    auto b = coir::spawn(coir::task_options{.name = "b"}, [] { coir::sleep(1s); });
    coir::yield();
    std::set<std::string> names;
    for (auto const& task : coir::all_tasks()) {
        names.insert(task.name());
    }
    for (auto const& name : names) {
        std::cout << "there is " << name << '\n';
    }
    coir::gather(a, b);
    std::cout << "left: " << coir::all_tasks().size() << '\n';
}

}  // namespace

void scenarios::who_is_there() {
    coir::run(as_one_loop(), look_around);
}
