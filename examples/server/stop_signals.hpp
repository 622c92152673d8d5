// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <functional>
#include <thread>

#include <signal.h>

/// Ctrl-C and SIGTERM. Make one before any other thread: from then on the signals are held back everywhere.
class stop_signals {
public:
    stop_signals();
    stop_signals(stop_signals const&) = delete;
    stop_signals& operator=(stop_signals const&) = delete;

    /// Calls `action` in a thread of its own at the first signal; a second one ends the process at once. Once only.
    void on_first(std::function<void()> action);
    /// Waits until `action` has returned; if there was no signal, forgets it.
    void join();

private:
    sigset_t signals_;
    std::thread thread_;
};
