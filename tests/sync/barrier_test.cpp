// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/barrier.hpp>

#include "tests/support/running.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/task/task.hpp>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;
using test::yield_until;
using test::yield_until_waiting;

TEST(barrier, nobody_goes_on_before_all_have_come_round_after_round) {
    on_one_and_four_workers([] {
        constexpr int k_parties = 5;
        constexpr int k_rounds = 100;
        barrier b(k_parties);
        EXPECT_EQ(b.parties(), 5u);
        std::atomic<int> came{0};
        std::vector<std::atomic<unsigned>> indices(k_rounds);
        std::vector<task<void>> parties;
        for (int i = 0; i < k_parties; ++i) {
            parties.push_back(spawn([&] {
                for (int round = 0; round < k_rounds; ++round) {
                    came.fetch_add(1);
                    std::size_t const index = b.arrive_and_wait();
                    EXPECT_GE(came.load(), (round + 1) * k_parties);
                    indices[static_cast<std::size_t>(round)].fetch_or(1u << index);
                }
            }));
        }
        for (auto& p : parties) {
            p.get();
        }
        for (auto const& seen : indices) {
            EXPECT_EQ(seen, 0b11111u);
        }
        EXPECT_EQ(b.n_waiting(), 0u);
    });
}

TEST(barrier, index_is_the_order_of_coming) {
    on_one_and_four_workers([] {
        barrier b(4);
        std::vector<task<std::size_t>> parties;
        for (int i = 0; i < 3; ++i) {
            parties.push_back(spawn([&] { return b.arrive_and_wait(); }));
            yield_until_waiting(parties.back());
        }
        EXPECT_EQ(b.arrive_and_wait(), 3u);
        for (std::size_t i = 0; i < 3; ++i) {
            EXPECT_EQ(parties[i].get(), i);
        }
    });
}

TEST(barrier, abort_breaks_it_for_all_until_reset) {
    on_one_and_four_workers([] {
        barrier b(3);
        auto waiter = spawn([&] { b.arrive_and_wait(); });
        yield_until_waiting(waiter);
        b.abort();
        EXPECT_TRUE(b.broken());
        EXPECT_THROW(waiter.get(), broken_barrier);
        EXPECT_THROW(b.arrive_and_wait(), broken_barrier);
        b.reset();
        EXPECT_FALSE(b.broken());
        auto x = spawn([&] { b.arrive_and_wait(); });
        auto y = spawn([&] { b.arrive_and_wait(); });
        b.arrive_and_wait();
        x.get();
        y.get();
    });
}

TEST(barrier, reset_sends_away_who_waits_and_nobody_else) {
    on_one_and_four_workers([] {
        barrier b(2);
        auto waiter = spawn([&] { b.arrive_and_wait(); });
        yield_until_waiting(waiter);
        b.reset();
        EXPECT_FALSE(b.broken());
        EXPECT_THROW(waiter.get(), broken_barrier);
        auto x = spawn([&] { b.arrive_and_wait(); });
        b.arrive_and_wait();
        x.get();
    });
}

TEST(barrier, cancelled_party_has_not_come) {
    on_one_and_four_workers([] {
        barrier b(2);
        auto gone = spawn([&] { b.arrive_and_wait(); });
        yield_until_waiting(gone);
        gone.cancel();
        EXPECT_THROW(gone.get(), cancelled);
        EXPECT_EQ(b.n_waiting(), 0u);
        auto x = spawn([&] { return b.arrive_and_wait(); });
        yield_until_waiting(x);
        EXPECT_EQ(b.arrive_and_wait(), 1u);
        EXPECT_EQ(x.get(), 0u);
    });
}

// If the last one counted a party that then left by its cancellation, one of the two would wait forever.
TEST(barrier, party_that_is_cancelled_as_the_last_one_comes_either_counts_or_has_not_come) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 500; ++round) {
            barrier b(2);
            auto first = spawn([&] { b.arrive_and_wait(); });
            if (round % 2 == 0) {
                yield();
            }
            auto canceller = spawn([&] { first.cancel(); });
            auto second = spawn([&] { b.arrive_and_wait(); });
            canceller.get();
            first.wait();
            if (first.cancelled()) {
                yield_until([&] { return b.n_waiting() == 1; });
                b.arrive_and_wait();
            }
            second.get();
        }
    });
}

TEST(barrier, needs_a_party) {
    EXPECT_THROW(barrier(0), std::invalid_argument);
    EXPECT_THROW(barrier(-1), std::invalid_argument);
    barrier alone(1);
    EXPECT_EQ(alone.arrive_and_wait(), 0u);
}

TEST(barrier, serves_plain_threads_and_tasks) {
    runtime rt(runtime_options{.workers = 2});
    barrier b(3);
    auto body = [&] {
        for (int i = 0; i < 100; ++i) {
            b.arrive_and_wait();
        }
    };
    std::thread thread(body);
    auto t = rt.spawn(body);
    body();
    thread.join();
    t.get();
}

}  // namespace
}  // namespace coir
