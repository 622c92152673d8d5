// SPDX-License-Identifier: BSL-1.0
//
// Limits for one awaitable, and for a block of code.

#include "scenarios.hpp"

namespace {

using namespace std::chrono_literals;

int slow() {
    try {
        coir::sleep(10s);
    } catch (coir::cancelled const&) {
        std::cout << "slow is cancelled\n";
        throw;
    }
    return 1;
}

void within_limits() {
    scenarios::stopwatch const watch;
    int const result = coir::wait_for(slow, 20s);
    std::cout << "in time: " << result << '\n';
    try {
        coir::wait_for(slow, 1s);
    } catch (coir::timeout_error const&) {
        std::cout << "too late, after " << watch.seconds() << " s\n";
    }
    try {
        coir::with_timeout(3s, [] {
            coir::sleep(2s);
            coir::sleep(2s);
        });
    } catch (coir::timeout_error const&) {
        std::cout << "the block took too long, after " << watch.seconds() << " s\n";
    }
    coir::with_timeout(1s, [](coir::timeout_scope& limit) {
        limit.reschedule(limit.when() + 5s);
        coir::sleep(2s);
        std::cout << "expired? " << std::boolalpha << limit.expired() << '\n';
    });
}

}  // namespace

void scenarios::timeouts() {
    coir::run(as_one_loop(), within_limits);
}
