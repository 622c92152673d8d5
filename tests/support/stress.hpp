// SPDX-License-Identifier: BSL-1.0
#pragma once

// Seed, size and account of a stress test.
//
//   COIR_STRESS_SEED        the seed, else the clock's; printed first, and again when the test has failed
//   COIR_STRESS_SCALE       multiplies the rounds
//   COIR_STRESS_OPERATIONS  as many rounds as make so many operations, instead of those that the test asks for
//   COIR_STRESS_SECONDS     no further round after so many seconds (when unset 20, or what the test says: what an ordinary
//                           run takes on a machine that is busy otherwise must not grow without bounds)
//   COIR_STRESS_LOG         a file to which each test adds a line: its name, operations, seconds, fewest and most workers,
//                           seed
//
// In builds with fault points the seed also decides about those that change only who runs when: no test may notice them. They
// strike often in some rounds, and seldom in others, which get more done.

#include "core/base/fault.hpp"

#include <coir/core/base/config.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>

namespace coir::test {

/// How many rounds a test does: where a sanitizer looks, more.
struct rounds {
    int plain;
    int sanitized;
    unsigned seconds = 20;  // no further one begins after so many

    int here() const { return COIR_TSAN || COIR_ASAN ? sanitized : plain; }
};

class stress : public testing::Test {
protected:
    stress() : seed_(number_from_environment("COIR_STRESS_SEED", now_as_seed())), random_(seed_) {
        std::printf("COIR_STRESS_SEED=%llu\n", static_cast<unsigned long long>(seed_));
        std::fflush(stdout);
        done_.store(0);
        set_faults(k_often);
    }

    /// The account: what was done, by how many workers, in which time. Printed, and recorded as properties of the test.
    void TearDown() override {
        if (HasFailure()) {
            std::fprintf(stderr, "to repeat: COIR_STRESS_SEED=%llu\n", static_cast<unsigned long long>(seed_));
        }
        std::uint64_t const operations = done_.load();
        if (operations == 0) {
            return;
        }
        std::string const took = std::to_string(seconds());
        if (most_workers_ == 0) {
            fewest_workers_ = 0;  // as many as the test says
        }
        std::string const workers = std::to_string(fewest_workers_) + " to " + std::to_string(most_workers_);
        std::printf("%llu operations, %s workers, seed %llu, %s s\n", static_cast<unsigned long long>(operations),
                    workers.c_str(), static_cast<unsigned long long>(seed_), took.c_str());
        RecordProperty("operations", std::to_string(operations));
        RecordProperty("workers", workers);
        RecordProperty("seed", std::to_string(seed_));
        RecordProperty("seconds", took);
        if (char const* const log = std::getenv("COIR_STRESS_LOG")) {
            auto const& self = *testing::UnitTest::GetInstance()->current_test_info();
            std::ofstream(log, std::ios::app)
                << self.test_suite_name() << '.' << self.name() << '\t' << operations << '\t' << took << '\t'
                << fewest_workers_ << '\t' << most_workers_ << '\t' << seed_ << '\n';
        }
    }

    /// Is there another round to do? Each does `operations` of whatever the test is about; one that knows only afterwards
    /// says so by did(). `wanted` is for an ordinary run. No round follows a failure.
    bool another_round(rounds wanted, std::uint64_t operations = 0) {
        if (rounds_done_ != 0 && (HasFailure() || !wants_more(wanted))) {
            return false;
        }
        ++rounds_done_;
        did(operations);
        if (!few_faults_) {
            set_faults(below(4) == 0 ? k_often : k_seldom);
        }
        return true;
    }
    bool another_round(int wanted, std::uint64_t operations = 0) { return another_round({wanted, wanted}, operations); }

    /// For tests whose operations are so short that more faults would be nothing but delays.
    void few_faults() {
        few_faults_ = true;
        set_faults(k_hardly_ever);
    }

public:
    /// By any thread.
    static void did(std::uint64_t operations) { done_.fetch_add(operations, std::memory_order_relaxed); }

protected:
    /// Of the present round: 1, 2, ...
    int round_number() const { return rounds_done_; }

    /// `count`, times the scale.
    static int scaled(int count) {
        char const* const value = std::getenv("COIR_STRESS_SCALE");
        double const scale = value != nullptr ? std::atof(value) : 1.0;
        return scale > 0 ? static_cast<int>(count * scale) + 1 : count;
    }

    std::mt19937_64& random() { return random_; }
    unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }
    /// 2 to 64, mostly a few: many more than there are processors cost time that rounds could have.
    unsigned workers() {
        unsigned const count = below(8) != 0 ? 2 + below(7) : 9 + below(56);
        fewest_workers_ = std::min(fewest_workers_, count);
        most_workers_ = std::max(most_workers_, count);
        return count;
    }

private:
    static std::uint64_t now_as_seed() {
        return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    }
    static std::uint64_t number_from_environment(char const* name, std::uint64_t otherwise) {
        char const* const value = std::getenv(name);
        return value != nullptr ? std::strtoull(value, nullptr, 10) : otherwise;
    }

    double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }
    bool wants_more(rounds wanted) const {
        std::uint64_t const limit = time_limit_ != 0 ? time_limit_ : wanted.seconds;
        if (seconds() >= static_cast<double>(limit)) {
            return false;
        }
        return goal_ != 0 ? done_.load() < goal_ : rounds_done_ < scaled(wanted.here());
    }

    static constexpr unsigned k_often = 24;  // not so often that nothing else happens
    static constexpr unsigned k_seldom = 400;
    static constexpr unsigned k_hardly_ever = 1'024;
    void set_faults([[maybe_unused]] unsigned one_in) {
#if COIR_FAULT_POINTS
        faults_.set(detail::k_scheduling_faults, one_in);
#endif
    }

    std::uint64_t const seed_;
    std::mt19937_64 random_;
    std::chrono::steady_clock::time_point const begin_ = std::chrono::steady_clock::now();
    std::uint64_t const goal_ = number_from_environment("COIR_STRESS_OPERATIONS", 0);
    std::uint64_t const time_limit_ = number_from_environment("COIR_STRESS_SECONDS", 0);
    inline static std::atomic<std::uint64_t> done_{0};  // by the test that runs
    int rounds_done_ = 0;
    unsigned fewest_workers_ = 64;
    unsigned most_workers_ = 0;
    bool few_faults_ = false;
#if COIR_FAULT_POINTS
protected:
    detail::fault_plan faults_{seed_};
#endif
};

}  // namespace coir::test
