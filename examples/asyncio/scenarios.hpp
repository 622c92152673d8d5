// SPDX-License-Identifier: BSL-1.0
#pragma once

// What one reads about asyncio first, scenario by scenario. docs/from-asyncio.md sets the Python beside each.

#include <coir/coir.hpp>

#include <chrono>
#include <iostream>
#include <string>

namespace scenarios {

/// One worker and virtual time: tasks take turns in the same order each time, and seconds of sleep take none. In your own
/// program leave it away: coir::run(f).
inline coir::runtime_options as_one_loop() {
    return {.workers = 1, .virtual_time = true};
}

/// Seconds since the runtime was entered, rounded.
class stopwatch {
public:
    long seconds() const { return std::chrono::round<std::chrono::seconds>(coir::clock::now() - start_).count(); }

private:
    coir::clock::time_point start_ = coir::clock::now();
};

void event_loop();
void await_in_turn();
void tasks();
void tasks_in_the_other_order();
void hello_world();
void settled();
void wait();
void as_completed();
void future();
void no_running_runtime();
void nested_runs();
void thread_pool();
void run_in_executor();
void process_pool();
void semaphore();
void async_iterator();
void async_context_manager();
void timeouts();
void lock_and_event();
void cancel();
void shield();
void who_is_there();
void streams();
void greenlets();
void yield_from();

}  // namespace scenarios
