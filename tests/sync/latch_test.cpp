// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/latch.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

TEST(latch, lets_everybody_pass_at_zero) {
    on_one_and_four_workers([] {
        latch l(3);
        std::atomic<int> passed{0};
        std::vector<task<void>> waiters;
        for (int i = 0; i < 10; ++i) {
            waiters.push_back(spawn([&] {
                l.wait();
                passed.fetch_add(1);
            }));
            yield_until_waiting(waiters.back());
        }
        l.count_down(2);
        EXPECT_FALSE(l.try_wait());
        EXPECT_FALSE(l.wait_for(k_a_moment));
        EXPECT_EQ(passed, 0);
        l.arrive_and_wait();
        for (auto& w : waiters) {
            w.get();
        }
        EXPECT_TRUE(l.try_wait());
        EXPECT_TRUE(l.wait_until(clock::now()));
    });
}

TEST(latch, refuses_to_go_below_zero) {
    EXPECT_THROW(latch(-1), std::invalid_argument);
    latch l(1);
    EXPECT_THROW(l.count_down(2), std::invalid_argument);
    EXPECT_THROW(l.count_down(-1), std::invalid_argument);
    EXPECT_FALSE(l.try_wait());
    l.count_down();
    EXPECT_THROW(l.count_down(), std::invalid_argument);
    latch(0).wait();
}

TEST(latch, cancelled_arrival_has_counted) {
    on_one_and_four_workers([] {
        latch l(2);
        auto first = spawn([&] { l.arrive_and_wait(); });
        yield_until_waiting(first);
        first.cancel();
        EXPECT_THROW(first.get(), cancelled);
        l.arrive_and_wait();
    });
}

TEST(latch, may_be_destroyed_by_whoever_passes) {
    runtime rt(runtime_options{.workers = 2});
    for (int round = 0; round < 500; ++round) {
        auto l = std::make_unique<latch>(1);
        latch& seen = *l;
        auto t = rt.spawn([&seen] { seen.count_down(); });
        l->wait();
        l.reset();
        t.get();
    }
}

TEST(latch, serves_plain_threads_and_tasks) {
    runtime rt(runtime_options{.workers = 2});
    latch l(3);
    std::thread thread([&] { l.arrive_and_wait(); });
    auto t = rt.spawn([&] { l.arrive_and_wait(); });
    l.arrive_and_wait();
    thread.join();
    t.get();
}

}  // namespace
}  // namespace coir
