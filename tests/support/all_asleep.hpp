// SPDX-License-Identifier: BSL-1.0
#pragma once

// Tells a wake-up that was lost from one that is late, without a clock: if at one moment every other thread of the
// process sleeps in the kernel, and sleeps without a time-out, then what has not happened by then never will.

#include <coir/core/base/config.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace coir::test {

/// How often each other thread has been switched to or from so far. Empty if one of them runs, or the kernel does not say.
inline std::optional<std::vector<std::string>> switches_of_sleeping_threads() {
    namespace fs = std::filesystem;
    std::vector<std::string> switches;
    std::string const self = std::to_string(::gettid());
    std::error_code error;
    for (fs::directory_iterator thread("/proc/self/task", error), end; thread != end; thread.increment(error)) {
        std::string const number = thread->path().filename();
        if (error || number == self) {
            continue;
        }
        std::ifstream status(thread->path() / "status");
        std::string line;
        bool counted = false;
        while (std::getline(status, line)) {
            if (line.starts_with("State:") && line.find("S (sleeping)") == std::string::npos) {
                return std::nullopt;
            }
            if (line.find("ctxt_switches:") != std::string::npos) {
                switches.push_back(number + line);
                counted = true;
            }
        }
        if (!counted) {
            return std::nullopt;
        }
    }
    std::sort(switches.begin(), switches.end());
    return error ? std::nullopt : std::optional(switches);
}

/// Do all other threads sleep for good? A thread that sleeps at two moments, and was not switched to in between, has
/// slept all the while. Several such looks, some time apart: a nap of some milliseconds has ended by then, even if the
/// processor whose clock ends it belongs to another machine for a while. No, as soon as
/// `over()`: that they have gone to sleep since then tells nothing.
/// Never true under ThreadSanitizer, which keeps a thread of its own that wakes up now and then.
template <class Over>
bool all_others_sleep(Over const& over) {
    constexpr int k_looks = 60;
    auto const before = switches_of_sleeping_threads();
    for (int look = 0; before && look < k_looks; ++look) {
        // In small parts: what is mostly late by some microseconds does not cost thousands of whole ones.
        for (auto part = std::chrono::microseconds(20); part < std::chrono::milliseconds(4) && !over(); part *= 2) {
            std::this_thread::sleep_for(part);
        }
        if (over() || switches_of_sleeping_threads() != before) {
            return false;
        }
    }
    return before.has_value() && !over();
}

/// Blocks the calling thread, which belongs to no runtime and is the only such, until `done()`. If all others sleep
/// before that it ends the process: a runtime that has lost a wake-up cannot be shut down any more.
template <class Done>
void wait_unless_all_sleep(Done const& done, char const* what, int number) {
    for (int spin = 0; spin < 2000 && !done(); ++spin) {
        detail::spin_pause();
    }
    while (!done()) {
        if (all_others_sleep(done)) {
            std::fprintf(stderr, "%s %d was lost: everybody sleeps\n", what, number);
            std::_Exit(EXIT_FAILURE);
        }
    }
}

}  // namespace coir::test
