// SPDX-License-Identifier: BSL-1.0
#pragma once

// What tests that run tasks have in common.

#include <coir/core/sched/runtime.hpp>
#include <coir/core/task/sleep.hpp>
#include <coir/core/task/task.hpp>
#include <coir/core/task/task_ref.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>

namespace coir::test {

/// Runs `body()` as the main task, with one worker and with four.
inline void on_one_and_four_workers(std::function<void()> const& body) {
    for (unsigned const workers : {1u, 4u}) {
        SCOPED_TRACE(workers);
        coir::run(runtime_options{.workers = workers}, [&body] { body(); });
        if (::testing::Test::HasFailure()) {
            std::fprintf(stderr, "with %u workers\n", workers);
            return;
        }
    }
}

/// Lets others run until `condition()` holds. From tasks and plain threads.
template <class Condition>
void yield_until(Condition const& condition) {
    while (!condition()) {
        coir::yield();
    }
}

/// Is the task off its stack, in a wait that nobody has ended? Or does another one run in its place, which is?
template <class T>
bool is_waiting(coir::task<T> const& t) {
    using detail::wait_word;
    std::uint32_t const word = t.state()->word.raw().load();
    return (word & (wait_word::k_suspended | wait_word::k_claimed)) == wait_word::k_suspended ||
           t.state()->forwards_cancel();
}

template <class T>
void yield_until_waiting(coir::task<T> const& t) {
    yield_until([&] { return is_waiting(t); });
}

/// Waits in a way that a cancellation of the caller neither ends nor passes on.
template <class T>
void wait_shielded(coir::task<T> const& t) {
    cancel_shield const shield;
    t.wait();
}

inline constexpr auto k_a_moment = std::chrono::milliseconds(1);
inline constexpr auto k_long_time = std::chrono::hours(1);

/// A wait that only a cancellation ends.
inline void sleep_forever() {
    coir::sleep(k_long_time);
    ADD_FAILURE() << "an hour has passed";
}

}  // namespace coir::test
