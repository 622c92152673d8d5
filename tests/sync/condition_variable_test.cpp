// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/condition_variable.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>

#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

TEST(condition_variable, wait_without_the_lock_is_refused_and_leaves_nothing_behind) {
    test::on_one_and_four_workers([] {
        mutex m;
        condition_variable changed;
        std::unique_lock<mutex> lock(m, std::defer_lock);
        EXPECT_THROW(changed.wait(lock), std::system_error);
        changed.notify_all();
        lock.lock();
        EXPECT_EQ(changed.wait_for(lock, std::chrono::microseconds(1)), std::cv_status::timeout);
    });
}

TEST(condition_variable, wakes_waiters_in_the_order_of_their_coming) {
    on_one_and_four_workers([] {
        mutex m;
        condition_variable cv;
        std::vector<int> order;
        std::vector<task<void>> waiters;
        for (int i = 0; i < 10; ++i) {
            waiters.push_back(spawn([&, i] {
                std::unique_lock lock(m);
                cv.wait(lock);
                order.push_back(i);
            }));
            yield_until_waiting(waiters.back());
        }
        for (std::size_t i = 0; i < 10; ++i) {
            cv.notify_one();
            waiters[i].get();
            EXPECT_EQ(order.size(), i + 1);
            EXPECT_EQ(order.back(), static_cast<int>(i));
        }
    });
}

TEST(condition_variable, notify_all_wakes_everybody) {
    on_one_and_four_workers([] {
        mutex m;
        condition_variable cv;
        bool ready = false;
        std::vector<task<void>> waiters;
        for (int i = 0; i < 10; ++i) {
            waiters.push_back(spawn([&] {
                std::unique_lock lock(m);
                cv.wait(lock, [&] { return ready; });
                EXPECT_TRUE(lock.owns_lock());
            }));
        }
        yield();
        {
            std::lock_guard const guard(m);
            ready = true;
        }
        cv.notify_all();
        for (auto& w : waiters) {
            w.get();
        }
    });
}

TEST(condition_variable, time_out_holds_the_lock) {
    on_one_and_four_workers([] {
        mutex m;
        condition_variable cv;
        std::unique_lock lock(m);
        EXPECT_EQ(cv.wait_for(lock, k_a_moment), std::cv_status::timeout);
        EXPECT_TRUE(lock.owns_lock());
        EXPECT_FALSE(cv.wait_for(lock, k_a_moment, [] { return false; }));
        EXPECT_TRUE(cv.wait_for(lock, std::chrono::hours::max(), [] { return true; }));
        EXPECT_EQ(cv.wait_until(lock, clock::now()), std::cv_status::timeout);
        EXPECT_FALSE(m.try_lock());
    });
}

TEST(condition_variable, cancelled_waiter_takes_no_notification) {
    on_one_and_four_workers([] {
        mutex m;
        condition_variable cv;
        auto wait = [&] {
            std::unique_lock lock(m);
            cv.wait(lock);
        };
        auto a = spawn(wait);
        yield_until_waiting(a);
        auto b = spawn(wait);
        yield_until_waiting(b);
        a.cancel();
        cv.notify_one();
        b.get();
        a.wait();
        EXPECT_TRUE(a.cancelled());
    });
}

TEST(condition_variable, notification_that_meets_a_cancellation_is_not_lost) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 300; ++round) {
            mutex m;
            condition_variable cv;
            auto wait = [&] {
                std::unique_lock lock(m);
                cv.wait(lock);
            };
            auto a = spawn(wait);
            yield_until_waiting(a);
            auto b = spawn(wait);
            yield_until_waiting(b);
            auto canceller = spawn([&] { a.cancel(); });
            auto notifier = spawn([&] { cv.notify_one(); });
            canceller.get();
            notifier.get();
            a.wait();
            if (a.cancelled()) {
                b.get();  // so it was meant for this one
            } else {
                EXPECT_FALSE(b.done());
                cv.notify_one();
                b.get();
            }
        }
    });
}

TEST(condition_variable, cancelled_waiter_has_its_lock_back_before_it_throws) {
    on_one_and_four_workers([] {
        mutex m;
        condition_variable cv;
        auto t = spawn([&] {
            std::unique_lock lock(m);
            try {
                cv.wait(lock);
                ADD_FAILURE();
            } catch (cancelled const&) {
                EXPECT_TRUE(lock.owns_lock());
                EXPECT_FALSE(m.try_lock());
                yield();  // both requests were one
                throw;
            }
        });
        yield_until_waiting(t);
        m.lock();
        t.cancel();
        for (int i = 0; i < 20; ++i) {
            yield();
        }
        EXPECT_FALSE(t.done());  // it waits for the lock,
        t.cancel();              // and nothing gets it out of that
        for (int i = 0; i < 20; ++i) {
            yield();
        }
        EXPECT_FALSE(t.done());
        m.unlock();
        t.wait();
        EXPECT_TRUE(t.cancelled());
        EXPECT_TRUE(m.try_lock());
    });
}

TEST(condition_variable, cancellation_that_comes_after_the_notification_waits) {
    on_one_and_four_workers([] {
        mutex m;
        condition_variable cv;
        bool notified = false;
        auto t = spawn([&] {
            std::unique_lock lock(m);
            cv.wait(lock);
            notified = true;
            EXPECT_TRUE(lock.owns_lock());
            lock.unlock();
            yield();
        });
        yield_until_waiting(t);
        m.lock();
        cv.notify_one();
        t.cancel();
        m.unlock();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_TRUE(notified);
    });
}

TEST(condition_variable, predicate_that_throws_leaves_the_lock_held) {
    mutex m;
    condition_variable cv;
    std::unique_lock lock(m);
    EXPECT_THROW(cv.wait(lock, []() -> bool { throw std::runtime_error("no"); }), std::runtime_error);
    EXPECT_TRUE(lock.owns_lock());
}

TEST(condition_variable, serves_plain_threads_and_tasks) {
    mutex m;
    condition_variable cv;
    int turn = 0;
    runtime rt(runtime_options{.workers = 2});
    auto play = [&](int mine) {
        for (int i = 0; i < 500; ++i) {
            std::unique_lock lock(m);
            cv.wait(lock, [&] { return turn == mine; });
            turn = 1 - mine;
            cv.notify_all();
        }
    };
    auto t = rt.spawn(play, 0);
    std::thread thread(play, 1);
    thread.join();
    t.get();
    EXPECT_EQ(turn, 0);
}

}  // namespace
}  // namespace coir
