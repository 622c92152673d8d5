// SPDX-License-Identifier: BSL-1.0
#pragma once

// Seed and size of a stress test: COIR_STRESS_SEED (else the clock's), printed so that a failure can be repeated, and
// COIR_STRESS_SCALE, which multiplies the counts.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace coir::test {

class stress : public testing::Test {
protected:
    stress() : seed_(seed_from_environment()), random_(seed_) {
        std::printf("COIR_STRESS_SEED=%llu\n", static_cast<unsigned long long>(seed_));
        std::fflush(stdout);
    }

    /// `count`, times the scale.
    static int scaled(int count) {
        char const* const value = std::getenv("COIR_STRESS_SCALE");
        double const scale = value != nullptr ? std::atof(value) : 1.0;
        return scale > 0 ? static_cast<int>(count * scale) + 1 : count;
    }

    std::mt19937_64& random() { return random_; }
    unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }
    unsigned workers() { return 2 + below(7); }

private:
    static std::uint64_t seed_from_environment() {
        if (char const* const value = std::getenv("COIR_STRESS_SEED")) {
            return std::strtoull(value, nullptr, 10);
        }
        return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    }

    std::uint64_t const seed_;
    std::mt19937_64 random_;
};

}  // namespace coir::test
