// SPDX-License-Identifier: BSL-1.0
//
// Jobs on threads and in processes, with a word now and then about how far they are.

#include "recipes.hpp"

#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <cstdint>
#include <iostream>
#include <numeric>
#include <vector>

namespace {

std::uint64_t hash(int seed) {
    std::uint64_t h = 14695981039346656037u;
    for (int i = 0; i < 1000; ++i) {
        h = (h ^ static_cast<std::uint64_t>(seed + i)) * 1099511628211u;
    }
    return h;
}

class progress {
public:
    explicit progress(char const* where) : where_(where) {}
    void one_more() {
        if (++done_ % 500 == 0) {
            std::cout << done_ << " hashes by " << where_ << '\n';
        }
    }

private:
    char const* where_;
    int done_ = 0;
};

std::uint64_t on_threads() {
    coir::thread_pool_executor pool({.max_workers = 4});
    std::vector<coir::future<std::uint64_t>> hashes;
    hashes.reserve(1000);
    for (int i = 0; i < 1000; ++i) {
        hashes.push_back(pool.submit(hash, i));
    }
    progress told("threads");
    std::uint64_t all = 0;
    for (auto& h : coir::as_completed(hashes)) {
        all ^= h.get();
        told.one_more();
    }
    return all;
}

std::uint64_t in_processes() {
    coir::process_pool_executor pool({.max_workers = 2});
    std::vector<int> seeds(1000);
    std::iota(seeds.begin(), seeds.end(), 0);
    progress told("processes");
    std::uint64_t all = 0;
    for (auto const h : pool.map<&hash>(seeds, {.buffer_size = 64})) {  // 64 under way or waiting to be read
        all ^= h;
        told.one_more();
    }
    return all;
}

}  // namespace

void recipes::offload() {
    coir::run([] {
        bool const same = on_threads() == in_processes();
        std::cout << "the same? " << std::boolalpha << same << '\n';
    });
}
