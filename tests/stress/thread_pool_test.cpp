// SPDX-License-Identifier: BSL-1.0
//
// Submits, cancellations, idle time-outs and shutdowns of a thread pool against each other, from tasks and plain threads.

#include <coir/coir.hpp>

#include "tests/support/stress.hpp"

#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

namespace coir {
namespace {

class thread_pool_stress : public test::stress {};

struct totals {
    std::atomic<int> accepted{0};
    std::atomic<int> ran{0};
    std::atomic<int> results{0};
    std::atomic<int> cancelled{0};
    std::atomic<int> refused{0};
};

// The task that awaits the job runs in the place of another one, and has a stale entry in a queue when the pool's thread wakes it.
TEST_F(thread_pool_stress, jobs_awaited_by_tasks_in_place_wake_them_once) {
    constexpr int k_clients = 16;
    constexpr int k_jobs = 500;
    while (another_round(60, k_clients * k_jobs)) {
        thread_pool_executor pool({.max_workers = 4});
        std::atomic<int> ran{0};
        run(runtime_options{.workers = workers()}, [&] {
            std::vector<task<void>> clients;
            for (int c = 0; c < k_clients; ++c) {
                clients.push_back(spawn([&] {
                    for (int i = 0; i < k_jobs; ++i) {
                        spawn([&] { run_in_executor(pool, [&ran] { ++ran; }).get(); }).get();
                    }
                }));
            }
            gather(clients);
        });
        EXPECT_EQ(ran, k_clients * k_jobs);
    }
}

// One submitter: cancels some of its jobs at once, awaits the others; every job ends in exactly one way.
void submit_many(thread_pool_executor& pool, totals& sum, unsigned seed, int count) {
    std::minstd_rand random(seed);
    std::vector<future<int>> mine;
    for (int i = 0; i < count; ++i) {
        try {
            mine.push_back(pool.submit([&sum, i] {
                ++sum.ran;
                if (i % 7 == 0) {
                    std::this_thread::yield();
                }
                return i;
            }));
            ++sum.accepted;
        } catch (executor_shut_down const&) {
            ++sum.refused;
            break;
        }
        if (random() % 3 == 0) {
            mine.back().cancel();
        }
        if (random() % 16 == 0) {
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));  // for the idle time-out to strike
        }
    }
    for (auto& f : mine) {
        try {
            f.get();
            ++sum.results;
        } catch (coir::cancelled const&) {
            ++sum.cancelled;
        }
    }
}

TEST_F(thread_pool_stress, every_job_ends_in_one_way_whatever_happens_meanwhile) {
    while (another_round(20, 6 * 100)) {
        bool const bounded = below(2) == 0;
        bool const close_early = below(3) == 0;
        bool const drop = below(2) == 0;
        unsigned const pause = below(2000);
        totals sum;
        {
            thread_pool_executor pool({.max_workers = 1 + below(4),
                                       .idle_timeout = std::chrono::microseconds(1 + below(100)),
                                       .queue_limit = bounded ? 1 + below(8) : 0});
            std::vector<std::thread> threads;
            for (int i = 0; i < 2; ++i) {
                threads.emplace_back([&, seed = below(1u << 30)] { submit_many(pool, sum, seed, 100); });
            }
            run(runtime_options{.workers = workers()}, [&] {
                std::vector<task<void>> tasks;
                for (int i = 0; i < 4; ++i) {
                    tasks.push_back(spawn([&, seed = below(1u << 30)] { submit_many(pool, sum, seed, 100); }));
                }
                if (close_early) {
                    coir::sleep(std::chrono::microseconds(pause));
                    pool.shutdown({.wait = drop, .cancel_pending = drop});
                }
                for (auto& t : tasks) {
                    t.get();
                }
            });
            for (auto& t : threads) {
                t.join();
            }
            pool.shutdown();
            auto const stats = pool.stats();
            EXPECT_EQ(stats.submitted, static_cast<std::uint64_t>(sum.accepted));
            EXPECT_EQ(stats.submitted, stats.completed + stats.cancelled);
            EXPECT_EQ(stats.threads, 0u);
            EXPECT_EQ(stats.queued, 0u);
        }
        EXPECT_EQ(sum.accepted, sum.results + sum.cancelled);
        EXPECT_LE(sum.results, sum.ran);
    }
}

TEST_F(thread_pool_stress, callers_that_wait_for_room_are_cancelled_at_any_moment) {
    while (another_round(200, 8)) {
        thread_pool_executor pool({.max_workers = 1, .queue_limit = 1});
        std::atomic<std::uint64_t> returned{0};
        run(runtime_options{.workers = workers()}, [&] {
            std::vector<task<void>> callers;
            for (int i = 0; i < 8; ++i) {
                callers.push_back(spawn([&] {
                    auto f = pool.submit([] {});
                    ++returned;
                    f.get();
                }));
            }
            for (auto& c : callers) {
                if (below(2) == 0) {
                    c.cancel();
                }
                if (below(4) == 0) {
                    yield();
                }
            }
            for (auto& c : callers) {
                c.wait();
            }
        });
        pool.shutdown();
        EXPECT_EQ(pool.stats().submitted, returned);
        EXPECT_EQ(pool.stats().submitted, pool.stats().completed + pool.stats().cancelled);
        EXPECT_EQ(pool.stats().waiting, 0u);
    }
}

}  // namespace
}  // namespace coir
