// SPDX-License-Identifier: BSL-1.0
//
// A task is cancelled where it waits, may clean up, and may decline.

#include "scenarios.hpp"

namespace {

using namespace std::chrono_literals;

void cancel_one() {
    auto worker = coir::spawn([] {
        try {
            coir::sleep(1h);
        } catch (coir::cancelled const& why) {
            std::cout << "cleaning up: " << why.reason() << '\n';
            throw;
        }
    });
    coir::sleep(1s);
    worker.cancel("not needed any more");
    try {
        worker.get();
    } catch (coir::cancelled const&) {
        std::cout << "cancelled: " << std::boolalpha << worker.cancelled() << '\n';
    }

    auto stubborn = coir::spawn([] {
        try {
            coir::sleep(1h);
        } catch (coir::cancelled const&) {
            return std::string("finished all the same");
        }
        return std::string("slept");
    });
    coir::sleep(1s);
    stubborn.cancel();
    std::cout << stubborn.get() << '\n';
}

}  // namespace

void scenarios::cancel() {
    coir::run(as_one_loop(), cancel_one);
}
