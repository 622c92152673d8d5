// SPDX-License-Identifier: BSL-1.0
//
// Who waits is cancelled, what it waits for is not.

#include "scenarios.hpp"

namespace {

using namespace std::chrono_literals;

void save_in_any_case() {
    auto save = coir::spawn([] {
        coir::sleep(2s);
        std::cout << "saved\n";
    });
    auto caller = coir::spawn([&] {
        try {
            coir::shield(save);
        } catch (coir::cancelled const&) {
            std::cout << "the caller is cancelled\n";
            throw;
        }
    });
    coir::sleep(1s);
    caller.cancel();
    caller.wait();
    save.get();
}

}  // namespace

void scenarios::shield() {
    coir::run(as_one_loop(), save_in_any_case);
}
