// SPDX-License-Identifier: BSL-1.0
//
// One job in a hundred brings its worker down, in each way that there is, at a random place among the others. Each round:
// that job alone fails and says why, the others return what they must, and the pool gets back to its full width. A
// hundred rounds for each fault, some seconds in a release build; ten with sanitizers, whose processes start and report
// slowly. COIR_STRESS_SCALE multiplies.
#include "tests/support/running.hpp"
#include "tests/support/stress.hpp"

#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

namespace coir {
namespace {

// Sanitizers catch the signals of a crash and exit instead.
constexpr bool k_sanitized = COIR_ASAN != 0 || COIR_TSAN != 0;
constexpr std::size_t k_width = 3;
constexpr std::size_t k_others = 100;
constexpr std::size_t k_memory_limit = std::size_t{64} << 20;
constexpr std::size_t k_bite = std::size_t{1} << 20;

std::uint64_t mix(std::uint64_t x) {
    for (int i = 0; i < 1000; ++i) {
        x = (x ^ (x >> 33)) * 0xff51'afd7'ed55'8ccd;
    }
    return x;
}

int be_killed() {
    ::kill(::getpid(), SIGKILL);
    return 0;
}

int read_from_nowhere() {
    int volatile* volatile nowhere = nullptr;
    return *nowhere;
}

int abort_itself() {
    std::abort();
}

int exit_with_3() {
    if (k_sanitized) {
        std::_Exit(3);  // a sanitizer's report at the end may change the status
    }
    std::exit(3);
}

void stay() {
    for (;;) {
        ::pause();
    }
}

// Not a tail call, and nothing to be optimised away.
__attribute__((noinline)) int descend(int depth) {
    char volatile frame[4096];
    frame[depth % 4096] = static_cast<char>(depth);
    int const below = depth < (1 << 30) ? descend(depth + 1) : 0;
    return below + frame[(depth + 1) % 4096];
}

int overflow_the_stack() {
    return descend(0);
}

struct bite {
    // What a sanitizer's allocator does without memory is its own affair: there the kernel is asked directly.
    bite()
        : memory(k_sanitized ? ::mmap(nullptr, k_bite, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                             : ::operator new(k_bite)) {
        if (memory == MAP_FAILED) {
            throw std::bad_alloc();
        }
        std::memset(memory, 1, k_bite);
    }
    bite(bite&& other) noexcept : memory(std::exchange(other.memory, nullptr)) {}
    ~bite() {
        if (k_sanitized && memory != nullptr) {
            ::munmap(memory, k_bite);
        } else {
            ::operator delete(memory);
        }
    }
    void* memory;
};

int eat_all_memory() {
    std::vector<bite> all;
    for (;;) {
        all.emplace_back();
    }
}

bool died_of(worker_died const& error, int signal) {
    std::string const text = error.what();
    bool const says_so = text.find("signal " + std::to_string(signal)) != std::string::npos;
    return (error.signal() == signal && says_so) || (k_sanitized && error.signal() == 0 && error.exit_status() != 0);
}

class process_faults : public test::stress {
protected:
    /// `check` gets the future of the job that fails.
    template <auto Fault>
    void hundred_rounds(std::uint64_t deaths_a_round, std::function<void(future<int>&)> const& check,
                        std::size_t memory_limit = 0) {
        int const rounds = scaled(k_sanitized ? 9 : 99);
        run(runtime_options{.workers = 2}, [&] {
            process_pool_executor pool({.max_workers = k_width, .memory_limit = memory_limit});
            make_wide(pool);
            for (int round = 0; round < rounds && !HasFailure(); ++round) {
                std::uint64_t const base = random()();
                std::size_t const place = below(k_others);
                std::vector<future<std::uint64_t>> others;
                others.reserve(k_others);
                future<int> culprit;
                for (std::size_t i = 0; i < k_others; ++i) {
                    if (i == place) {
                        culprit = pool.submit<Fault>();
                    }
                    others.push_back(pool.submit<&mix>(base + i));
                }
                check(culprit);
                for (std::size_t i = 0; i < k_others; ++i) {
                    EXPECT_EQ(others[i].get(), mix(base + i));
                }
                test::yield_until([&] { return pool.stats().idle_workers == k_width; });
                EXPECT_EQ(pool.stats().workers_died, deaths_a_round * (static_cast<std::uint64_t>(round) + 1));
            }
            auto const stats = pool.stats();
            EXPECT_EQ(stats.submitted, stats.completed + stats.cancelled + stats.workers_died);
            EXPECT_EQ(stats.cancelled, k_width);
            EXPECT_EQ(stats.queued + stats.running, 0u);
        });
    }

    // As many workers as there may be, from now on.
    static void make_wide(process_pool_executor& pool) {
        std::vector<future<void>> all;
        for (std::size_t i = 0; i < k_width; ++i) {
            all.push_back(pool.submit<&stay>());
        }
        test::yield_until([&] { return pool.stats().running == k_width; });
        for (auto& each : all) {
            each.cancel();
        }
        test::yield_until([&] { return pool.stats().idle_workers == k_width; });
    }

    static std::function<void(future<int>&)> dies_of(int signal) {
        return [signal](future<int>& culprit) {
            try {
                culprit.get();
                ADD_FAILURE() << "it survived";
            } catch (worker_died const& error) {
                EXPECT_TRUE(died_of(error, signal)) << error.what();
            }
        };
    }
};

TEST_F(process_faults, sigkill_fails_its_own_job_only) {
    hundred_rounds<&be_killed>(1, dies_of(SIGKILL));
}

TEST_F(process_faults, a_bad_access_fails_its_own_job_only) {
    hundred_rounds<&read_from_nowhere>(1, dies_of(SIGSEGV));
}

TEST_F(process_faults, abort_fails_its_own_job_only) {
    hundred_rounds<&abort_itself>(1, dies_of(SIGABRT));
}

TEST_F(process_faults, exit_fails_its_own_job_only) {
    hundred_rounds<&exit_with_3>(1, [](future<int>& culprit) {
        try {
            culprit.get();
            ADD_FAILURE() << "it survived";
        } catch (worker_died const& error) {
            EXPECT_EQ(error.signal(), 0);
            EXPECT_EQ(error.exit_status(), 3);
            EXPECT_NE(std::string(error.what()).find("status 3"), std::string::npos) << error.what();
        }
    });
}

TEST_F(process_faults, a_stack_overflow_fails_its_own_job_only) {
    hundred_rounds<&overflow_the_stack>(1, dies_of(SIGSEGV));
}

// It is told no, and its worker lives.
TEST_F(process_faults, a_memory_bomb_fails_its_own_job_only) {
    hundred_rounds<&eat_all_memory>(
        0, [](future<int>& culprit) { EXPECT_THROW(culprit.get(), std::bad_alloc); }, k_memory_limit);
}

}  // namespace
}  // namespace coir
