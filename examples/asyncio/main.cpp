// SPDX-License-Identifier: BSL-1.0
//
// usage: coir_asyncio [scenario...]
//
// Runs the scenarios, all or those that are named. expected.txt is what they print.

#include "scenarios.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

namespace {

struct scenario {
    std::string_view name;
    void (*run)();
};

constexpr scenario k_all[] = {
    {"event_loop", scenarios::event_loop},
    {"await_in_turn", scenarios::await_in_turn},
    {"tasks", scenarios::tasks},
    {"tasks_in_the_other_order", scenarios::tasks_in_the_other_order},
    {"hello_world", scenarios::hello_world},
    {"settled", scenarios::settled},
    {"wait", scenarios::wait},
    {"as_completed", scenarios::as_completed},
    {"future", scenarios::future},
    {"no_running_runtime", scenarios::no_running_runtime},
    {"nested_runs", scenarios::nested_runs},
    {"thread_pool", scenarios::thread_pool},
    {"run_in_executor", scenarios::run_in_executor},
    {"process_pool", scenarios::process_pool},
    {"semaphore", scenarios::semaphore},
    {"async_iterator", scenarios::async_iterator},
    {"async_context_manager", scenarios::async_context_manager},
    {"timeouts", scenarios::timeouts},
    {"lock_and_event", scenarios::lock_and_event},
    {"cancel", scenarios::cancel},
    {"shield", scenarios::shield},
    {"who_is_there", scenarios::who_is_there},
    {"streams", scenarios::streams},
    {"greenlets", scenarios::greenlets},
    {"yield_from", scenarios::yield_from},
};

}  // namespace

int main(int argc, char** argv) {
    coir::serve_if_worker(argc, argv);  // does not return in the worker processes of process_pool
    std::vector<std::string_view> const wanted(argv + 1, argv + argc);
    for (auto const& name : wanted) {
        if (std::none_of(std::begin(k_all), std::end(k_all), [&](auto const& s) { return s.name == name; })) {
            std::cerr << "no scenario is called " << name << '\n';
            return 1;
        }
    }
    for (auto const& s : k_all) {
        if (wanted.empty() || std::find(wanted.begin(), wanted.end(), s.name) != wanted.end()) {
            std::cout << "--- " << s.name << '\n';
            s.run();
        }
    }
    return 0;
}
