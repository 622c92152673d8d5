// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/semaphore.hpp>

#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>

#include <stdexcept>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

TEST(semaphore, hands_out_as_many_permits_as_it_has) {
    semaphore s(2);
    s.acquire();
    EXPECT_TRUE(s.try_acquire());
    EXPECT_FALSE(s.try_acquire());
    EXPECT_FALSE(s.try_acquire_for(k_a_moment));
    s.release(2);
    EXPECT_EQ(s.available(), 2);
}

TEST(semaphore, permit_that_another_one_is_moved_to_is_given_back_at_once) {
    on_one_and_four_workers([] {
        semaphore first(1);
        semaphore second(1);
        auto a = first.acquire_scoped();
        auto b = second.acquire_scoped();
        a = std::move(b);
        EXPECT_EQ(first.available(), 1);
        EXPECT_EQ(second.available(), 0);
        auto& same = a;
        a = std::move(same);
        EXPECT_EQ(second.available(), 0);
    });
}

TEST(semaphore, negative_numbers_throw) {
    EXPECT_THROW(semaphore(-1), std::invalid_argument);
    semaphore s(0);
    EXPECT_THROW(s.release(-1), std::invalid_argument);
}

TEST(semaphore, waiters_get_permits_in_the_order_of_their_coming) {
    on_one_and_four_workers([] {
        semaphore s(0);
        std::vector<int> order;
        std::vector<task<void>> waiters;
        for (int i = 0; i < 20; ++i) {
            waiters.push_back(spawn([&, i] {
                s.acquire();
                order.push_back(i);
                s.release();
            }));
            yield_until_waiting(waiters.back());
        }
        s.release();
        for (auto& w : waiters) {
            w.get();
        }
        ASSERT_EQ(order.size(), 20u);
        for (int i = 0; i < 20; ++i) {
            EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
        }
    });
}

TEST(semaphore, nobody_overtakes_a_waiter) {
    on_one_and_four_workers([] {
        semaphore s(0);
        auto waiter = spawn([&] { s.acquire(); });
        yield_until_waiting(waiter);
        s.release();
        EXPECT_FALSE(s.try_acquire());
        waiter.get();
    });
}

TEST(semaphore, releases_several_at_once) {
    on_one_and_four_workers([] {
        semaphore s(0);
        std::vector<task<void>> waiters;
        for (int i = 0; i < 3; ++i) {
            waiters.push_back(spawn([&] { s.acquire(); }));
            yield_until_waiting(waiters.back());
        }
        s.release(5);
        for (auto& w : waiters) {
            w.get();
        }
        EXPECT_EQ(s.available(), 2);
    });
}

TEST(semaphore, cancelled_waiter_takes_no_permit) {
    on_one_and_four_workers([] {
        semaphore s(0);
        auto a = spawn([&] { s.acquire(); });
        yield_until_waiting(a);
        auto b = spawn([&] { s.acquire(); });
        yield_until_waiting(b);
        a.cancel();
        s.release();
        b.get();
        a.wait();
        EXPECT_TRUE(a.cancelled());
        EXPECT_EQ(s.available(), 0);
    });
}

TEST(semaphore, waiter_that_is_chosen_and_cancelled_at_once_loses_no_permit) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 500; ++round) {
            semaphore s(0);
            auto a = spawn([&] {
                s.acquire();
                return true;
            });
            auto canceller = spawn([&] { a.cancel(); });
            auto releaser = spawn([&] { s.release(); });
            canceller.get();
            releaser.get();
            a.wait();
            EXPECT_EQ(s.available(), a.cancelled() ? 1 : 0);
        }
    });
}

TEST(semaphore, timed_out_waiter_loses_no_permit) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 500; ++round) {
            semaphore s(0);
            auto a = spawn([&] { return s.try_acquire_for(std::chrono::microseconds(round % 40)); });
            auto releaser = spawn([&] { s.release(); });
            releaser.get();
            bool const got = a.get();
            EXPECT_EQ(s.available(), got ? 0 : 1);
        }
    });
}

TEST(semaphore, serves_plain_threads_and_tasks) {
    semaphore s(0);
    runtime rt(runtime_options{.workers = 2});
    std::thread waiter([&] { s.acquire(); });
    rt.spawn([&] { s.release(); });
    waiter.join();
    auto t = rt.spawn([&] { s.acquire(); });
    s.release();
    t.get();
    EXPECT_EQ(s.available(), 0);
}

TEST(semaphore, permit_is_given_back_by_its_destructor) {
    on_one_and_four_workers([] {
        semaphore s(1);
        {
            auto const permit = s.acquire_scoped();
            EXPECT_EQ(s.available(), 0);
        }
        EXPECT_EQ(s.available(), 1);
        auto a = s.acquire_scoped();
        auto b = std::move(a);
        a.release();
        EXPECT_EQ(s.available(), 0);
        b.release();
        b.release();
        EXPECT_EQ(s.available(), 1);
    });
}

TEST(semaphore, bounded_one_refuses_what_was_never_taken) {
    bounded_semaphore s(2);
    EXPECT_THROW(s.release(), std::logic_error);
    s.acquire();
    s.release();
    EXPECT_THROW(s.release(), std::logic_error);
    s.acquire();
    EXPECT_THROW(s.release(2), std::logic_error);
    EXPECT_EQ(s.available(), 1);
}

TEST(semaphore, pending_cancellation_is_thrown_although_there_is_a_permit) {
    on_one_and_four_workers([] {
        semaphore s(1);
        auto t = spawn([&] {
            current_task().cancel();
            s.acquire();
        });
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_EQ(s.available(), 1);
    });
}

}  // namespace
}  // namespace coir
