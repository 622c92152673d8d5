// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   testing::explore(seeds, f)     runs f once for each seed; says which one fails
//   testing::wait_all_blocked()    waits until nothing can go on by itself
//   testing::exploration_failed    what explore throws

#include <cstdint>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace coir::testing {

/// A run with some seed ended with an exception, which is nested in this one (std::rethrow_if_nested) and described by
/// what().
class exploration_failed : public std::runtime_error, public std::nested_exception {
public:
    /// `failure` is being handled by the caller.
    exploration_failed(std::uint64_t seed, std::string const& what);

    /// Set runtime_options::seed to this, or COIR_SEED in the environment of explore(), to run the same once more.
    std::uint64_t seed() const noexcept { return seed_; }

private:
    std::uint64_t seed_;
};

/// Runs `f()` as the main task of a fresh runtime once for each seed from 1 to `seeds`, in virtual time. Throws
/// exploration_failed at the first run that f leaves with an exception (a cancellation counts), and says there if
/// descriptors, jobs of executors, blocking calls or threads that spawned or woke tasks had a part in it: what they do is
/// not replayed. If COIR_SEED is set in the environment, runs that seed only. Blocks the calling thread; throws
/// invalid_state inside a task, and std::invalid_argument for a COIR_SEED that is no number.
void explore(unsigned seeds, std::function<void()> const& f);

/// Suspends the calling task until every other task of its runtime waits: for another one, for the clock, for a
/// descriptor, for a job elsewhere. Virtual time does not jump before. For tests that bring tasks into a certain state
/// without sleeping. Several tasks may wait for it at once: all go on. A suspension point. Throws no_running_runtime outside
/// of a task. What Trio calls wait_all_tasks_blocked.
void wait_all_blocked();

}  // namespace coir::testing
