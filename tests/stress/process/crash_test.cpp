// SPDX-License-Identifier: BSL-1.0
//
// Workers that are killed at random moments, jobs that kill themselves, are cancelled, throw, or send and get large
// values: whatever happens, each job has the one outcome that it may have, and the pool stays of use. Five rounds in an
// ordinary run; COIR_STRESS_SCALE=20 makes a hundred.
#include "tests/support/nothing_left.hpp"
#include "tests/support/stress.hpp"

#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace coir {
namespace {

enum class deed : std::uint8_t { compute, large, span, killed, crash, leave, throws, cancelled_soon };

std::uint64_t compute(std::uint64_t x) {
    for (int i = 0; i < 2000; ++i) {
        x = (x ^ (x >> 31)) * 0x9e37'79b9'7f4a'7c15;
    }
    return x;
}

std::vector<std::uint64_t> large(std::uint64_t x) {
    std::vector<std::uint64_t> all(20'000 + x % 20'000);
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i] = x + i;
    }
    return all;
}

std::uint64_t sum(std::span<std::byte const> bytes) {
    std::uint64_t total = 0;
    for (std::byte const b : bytes) {
        total += static_cast<std::uint64_t>(b);
    }
    return total;
}

int do_not_survive(int how) {
    switch (how) {
    case 0:
        ::kill(::getpid(), SIGKILL);
        break;
    case 1:
        std::abort();
    case 2: {
        int volatile* volatile nowhere = nullptr;
        return *nowhere;
    }
    default:
        std::_Exit(7);
    }
    return 0;
}

std::uint64_t refuse(std::uint64_t x) {
    throw std::runtime_error(std::to_string(x));
}

int own_number() {
    return ::getpid();
}

class process_stress : public test::stress {
protected:
    // One job of a kind that `dice` chooses, awaited and checked. `killer`: somebody kills workers from outside.
    static void one_job(process_pool_executor& pool, std::uint64_t dice, bool killer) {
        try {
            check(pool, static_cast<deed>(dice % 8), dice / 8);
        } catch (worker_died const& error) {
            bool const may_die = killer || dice % 8 == 3 || dice % 8 == 4 || dice % 8 == 5;
            EXPECT_TRUE(may_die) << error.what();
        }
    }

    static void check(process_pool_executor& pool, deed what, std::uint64_t x) {
        switch (what) {
        case deed::compute:
            EXPECT_EQ(pool.submit<&compute>(x).get(), compute(x));
            break;
        case deed::large:
            EXPECT_EQ(pool.submit<&large>(x).get(), large(x));
            break;
        case deed::span: {
            std::vector<std::byte> const bytes(1000 + x % 300'000, static_cast<std::byte>(x % 256));
            EXPECT_EQ(pool.submit<&sum>(bytes).get(), sum(bytes));
            break;
        }
        case deed::killed:
        case deed::crash:
        case deed::leave: {
            auto doomed = pool.submit<&do_not_survive>(static_cast<int>(x % 4));
            doomed.get();
            ADD_FAILURE() << "it survived";
            break;
        }
        case deed::throws: {
            // Lives longer than the handler below reads: ThreadSanitizer does not see the count in std::exception_ptr, which
            // would order that before the keeper's last release.
            auto failing = pool.submit<&refuse>(x);
            try {
                failing.get();
                ADD_FAILURE() << "it did not throw";
            } catch (worker_died const&) {
                throw;
            } catch (std::runtime_error const& error) {
                EXPECT_EQ(error.what(), std::to_string(x));
            }
            break;
        }
        case deed::cancelled_soon: {
            auto short_lived = pool.submit<&compute>(x);
            for (std::uint64_t i = 0; i < x % 20; ++i) {
                yield();
            }
            if (short_lived.cancel()) {
                EXPECT_THROW(short_lived.get(), cancelled);
            } else {
                EXPECT_EQ(short_lived.get(), compute(x));
            }
            break;
        }
        }
    }
};

TEST_F(process_stress, every_job_has_the_outcome_that_it_may_have) {
    while (another_round(5, 8 * 25)) {
        SCOPED_TRACE(round_number());
        std::uint64_t const base = random()();
        bool const killer = below(2) == 0;
        process_pool_options options{.max_workers = 1 + below(4), .max_jobs_per_worker = below(3) == 0 ? 5u : 0u};
        run(runtime_options{.workers = 1 + below(3)}, [&] {
            process_pool_executor pool(options);
            std::atomic<bool> over{false};
            task_group all;
            for (std::uint64_t caller = 0; caller < 8; ++caller) {
                all.spawn([&, caller] {
                    std::mt19937_64 dice(base + caller);
                    for (int i = 0; i < 25; ++i) {
                        one_job(pool, dice(), killer);
                    }
                });
            }
            auto kills = spawn([&] {
                while (killer && !over) {
                    try {
                        ::kill(pool.submit<&own_number>().get(), SIGKILL);
                    } catch (worker_died const&) {
                        // it was killed before it had said its number
                    }
                    sleep(std::chrono::milliseconds(2));
                }
            });
            all.wait();
            over = true;
            kills.get();
            EXPECT_EQ(pool.submit<&compute>(base).get(), compute(base));
            EXPECT_EQ(pool.stats().queued, 0u);
            EXPECT_EQ(pool.stats().running, 0u);
        });
        if (HasFailure()) {
            return;
        }
    }
}

TEST_F(process_stress, pools_that_die_young_leave_nothing) {
    while (another_round(10, 1)) {
        std::uint64_t const base = random()();
        std::vector<future<std::uint64_t>> results;
        {
            process_pool_executor pool({.max_workers = 1 + below(3)});
            for (std::uint64_t i = 0; i < below(20); ++i) {
                results.push_back(pool.submit<&compute>(base + i));
            }
            for (unsigned spin = below(2000); spin > 0; --spin) {
                std::this_thread::yield();
            }
            pool.shutdown({.wait = below(2) == 0, .cancel_pending = below(2) == 0});
        }
        for (std::uint64_t i = 0; i < results.size(); ++i) {
            ASSERT_TRUE(results[i].done());
            if (!results[i].cancelled()) {
                EXPECT_EQ(results[i].get(), compute(base + i));
            }
        }
    }
}

}  // namespace
}  // namespace coir
