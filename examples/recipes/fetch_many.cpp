// SPDX-License-Identifier: BSL-1.0
//
// At most ten at a time, each with a time limit and retries; what failed is kept beside what came.

#include "recipes.hpp"

#include <coir/coir.hpp>

#include <chrono>
#include <cstddef>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

// In the place of a client: every fifth page hangs, and page 7 is not there.
std::string download(int page) {
    coir::sleep(page % 5 == 0 ? 1h : 20ms);
    if (page == 7) {
        throw std::runtime_error("404");
    }
    return "page " + std::to_string(page);
}

std::string fetch(coir::semaphore& slots, int page) {
    auto const slot = slots.acquire_scoped();
    for (int attempt = 1;; ++attempt) {
        try {
            return coir::with_timeout(100ms, [&] { return download(page); });
        } catch (coir::timeout_error const&) {
            if (attempt == 3) {
                throw;
            }
        }
        coir::sleep(attempt * 10ms);
    }
}

void fetch_all() {
    coir::semaphore slots(10);
    std::vector<coir::task<std::string>> fetches;
    for (int page = 1; page <= 200; ++page) {
        fetches.push_back(coir::spawn(fetch, std::ref(slots), page));
    }
    std::size_t fetched = 0;
    std::size_t late = 0;
    for (auto& result : coir::gather_settled(fetches)) {
        try {
            fetched += result.value().empty() ? 0 : 1;
        } catch (coir::timeout_error const&) {
            ++late;
        } catch (std::exception const& e) {
            std::cout << "failed: " << e.what() << '\n';
        }
    }
    std::cout << fetched << " pages, " << late << " were late three times\n";
}

}  // namespace

void recipes::fetch_many() {
    coir::run({.workers = 1, .virtual_time = true}, fetch_all);
}
