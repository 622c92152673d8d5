// SPDX-License-Identifier: BSL-1.0
//
// At most three fetches at a time.

#include "scenarios.hpp"

#include <vector>

namespace {

using namespace std::chrono_literals;

void fetch_all() {
    scenarios::stopwatch const watch;
    coir::semaphore permits(3);
    auto const fetch = [&](int page) {
        auto const permit = permits.acquire_scoped();
        coir::sleep(1s);
        std::cout << "page " << page << " after " << watch.seconds() << " s\n";
    };
    std::vector<coir::task<void>> fetches;
    for (int page = 1; page <= 7; ++page) {
        fetches.push_back(coir::spawn(fetch, page));
    }
    coir::gather(fetches);
}

}  // namespace

void scenarios::semaphore() {
    coir::run(as_one_loop(), fetch_all);
}
