// SPDX-License-Identifier: BSL-1.0
//
// A process pool's keeper thread that gets no memory: a job fails, or a worker is started later, and the pool goes on. The
// workers have all the memory that they want.

#include "tests/no_memory/scarcity.hpp"

#include <coir/process_pool.hpp>

#include <cereal/types/string.hpp>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace coir {
namespace {

int next(int x) {
    return x + 1;
}
void die() {
    std::_Exit(3);
}
std::string repeated(std::size_t count) {
    return std::string(count, 'x');
}
void throw_out_of_range() {
    throw std::out_of_range("a text that no string keeps in itself");
}
void wait_for_ever() {
    for (;;) {
        ::pause();
    }
}
void write_garbage() {
    constexpr int k_channel = 3;
    std::array<char, 4096> garbage;
    garbage.fill('g');
    [[maybe_unused]] auto const written = ::write(k_channel, garbage.data(), garbage.size());
    wait_for_ever();
}

// A worker whose answer finds no memory is ended.
template <class F>
void unless_refused(F f) {
    try {
        f();
    } catch (worker_died const&) {
        EXPECT_NE(scarcity::refused(), 0);
    }
}

// In a pool of one worker, which is there. The job may fail; the pool may not.
template <class Operation>
void costs_a_job_at_most(Operation operation) {
    process_pool_executor pool({.max_workers = 1});
    EXPECT_EQ(pool.submit<&next>(1).get(), 2);
    auto const check = [&](bool) {
        EXPECT_EQ(pool.submit<&next>(2).get(), 3);
        auto const stats = pool.stats();
        EXPECT_EQ(stats.queued + stats.running, 0u);
    };
    with_each_allocation_refused<broken_executor>([&] { operation(pool); }, check);
}

TEST(no_memory, for_a_worker_to_start_fails_its_jobs_and_not_the_pool) {
    with_each_allocation_refused<broken_executor>(
        [] {
            process_pool_executor pool({.max_workers = 1});
            unless_refused([&] { EXPECT_EQ(pool.submit<&next>(1).get(), 2); });
        },
        [](bool) {});
}

std::size_t size_of(std::span<std::byte const> bytes) {
    return bytes.size();
}

TEST(no_memory, for_what_a_worker_is_sent_in_shared_memory_costs_a_job_at_most) {
    std::vector<std::byte> const bytes(100'000);
    with_each_allocation_refused<broken_executor>(
        [&] {
            process_pool_executor pool({.max_workers = 1});  // whose worker has no shared memory yet
            unless_refused([&] { EXPECT_EQ(pool.submit<&size_of>(bytes).get(), bytes.size()); });
        },
        [](bool) {});
}

TEST(no_memory, for_the_end_of_a_worker_costs_a_job_at_most) {
    costs_a_job_at_most([](process_pool_executor& pool) {
        auto job = pool.submit<&die>();
        auto after = pool.submit<&next>(5);
        try {
            job.get();
            ADD_FAILURE() << "it has a result";
        } catch (worker_died const&) {
        }
        unless_refused([&] { EXPECT_EQ(after.get(), 6); });
    });
}

TEST(no_memory, for_a_large_answer_costs_a_job_at_most) {
    costs_a_job_at_most([](process_pool_executor& pool) {
        constexpr std::size_t k_large = 1'000'000;
        unless_refused([&] { EXPECT_EQ(pool.submit<&repeated>(k_large).get().size(), k_large); });
    });
}

TEST(no_memory, for_what_a_job_has_thrown_costs_a_job_at_most) {
    costs_a_job_at_most([](process_pool_executor& pool) {
        try {
            unless_refused([&] { pool.submit<&throw_out_of_range>().get(); });
            EXPECT_NE(scarcity::refused(), 0) << "it has a result";
        } catch (std::out_of_range const&) {
        }
    });
}

TEST(no_memory, for_a_worker_that_says_what_it_may_not_costs_a_job_at_most) {
    costs_a_job_at_most([](process_pool_executor& pool) {
        try {
            pool.submit<&write_garbage>().get();
            ADD_FAILURE() << "it has a result";
        } catch (worker_died const&) {
        }
    });
}

TEST(no_memory, for_the_jobs_that_a_shutdown_cancels_is_not_needed) {
    process_pool_executor pool({.max_workers = 1});
    auto running = pool.submit<&wait_for_ever>();
    while (pool.stats().running == 0) {
        std::this_thread::yield();
    }
    std::vector<future<int>> queued;
    for (int i = 0; i < 10; ++i) {
        queued.push_back(pool.submit<&next>(i));
    }
    {
        scarcity const of_memory;
        pool.shutdown({.wait = false, .cancel_pending = true});
    }
    for (auto& each : queued) {
        EXPECT_TRUE(each.cancelled());
    }
    running.cancel();
}

}  // namespace
}  // namespace coir
