// SPDX-License-Identifier: BSL-1.0
#include "stop_signals.hpp"

#include <utility>

#include <pthread.h>

stop_signals::stop_signals() {
    sigemptyset(&signals_);
    for (int const number : {SIGINT, SIGTERM}) {
        // Scripts start background jobs with SIGINT ignored; whoever sends it to a server means it.
        ::signal(number, SIG_DFL);
        sigaddset(&signals_, number);
    }
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

void stop_signals::on_first(std::function<void()> action) {
    thread_ = std::thread([this, action = std::move(action)] {
        int number = 0;
        ::sigwait(&signals_, &number);
        // The next one finds this thread, and its default action.
        ::pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
        action();
    });
}

void stop_signals::join() {
    if (thread_.joinable()) {
        thread_.join();
    }
}
