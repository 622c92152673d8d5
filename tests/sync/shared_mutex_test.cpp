// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/shared_mutex.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>
#include <coir/sync/mutex.hpp>

#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::k_long_time;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

TEST(shared_mutex, readers_are_in_together_and_writers_alone) {
    on_one_and_four_workers([] {
        shared_mutex m;
        std::shared_lock a(m);
        std::shared_lock b(m);
        EXPECT_FALSE(m.try_lock());
        a.unlock();
        EXPECT_FALSE(m.try_lock());
        b.unlock();
        std::unique_lock const c(m);
        EXPECT_FALSE(m.try_lock());
        EXPECT_FALSE(m.try_lock_shared());
    });
}

TEST(shared_mutex, reader_does_not_overtake_a_writer_that_waits) {
    on_one_and_four_workers([] {
        shared_mutex m;
        std::vector<int> order;
        mutex of_order;
        auto note = [&](int who) {
            std::lock_guard const lock(of_order);
            order.push_back(who);
        };
        m.lock_shared();
        auto writer = spawn([&] {
            std::unique_lock const lock(m);
            note(1);
        });
        yield_until_waiting(writer);
        EXPECT_FALSE(m.try_lock_shared());
        auto reader = spawn([&] {
            std::shared_lock const lock(m);
            note(2);
        });
        yield_until_waiting(reader);
        m.unlock_shared();
        writer.get();
        reader.get();
        EXPECT_EQ(order, (std::vector{1, 2}));
    });
}

TEST(shared_mutex, readers_that_stand_together_get_in_together) {
    on_one_and_four_workers([] {
        shared_mutex m;
        m.lock();
        std::vector<task<void>> readers;
        for (int i = 0; i < 5; ++i) {
            readers.push_back(spawn([&] { m.lock_shared(); }));
            yield_until_waiting(readers.back());
        }
        auto writer = spawn([&] { m.lock(); });
        yield_until_waiting(writer);
        auto late = spawn([&] { m.lock_shared(); });
        yield_until_waiting(late);
        m.unlock();
        for (auto& r : readers) {
            r.get();
        }
        EXPECT_TRUE(test::is_waiting(writer));
        for (int i = 0; i < 5; ++i) {
            m.unlock_shared();
        }
        writer.get();
        EXPECT_TRUE(test::is_waiting(late));
        m.unlock();
        late.get();
        m.unlock_shared();
        EXPECT_TRUE(m.try_lock());
    });
}

TEST(shared_mutex, writer_that_gives_up_lets_the_readers_behind_it_in) {
    on_one_and_four_workers([] {
        for (bool const by_timeout : {false, true}) {
            shared_mutex m;
            m.lock_shared();
            auto writer = spawn([&] {
                if (by_timeout) {
                    EXPECT_FALSE(m.try_lock_for(k_a_moment));
                } else {
                    m.lock();
                }
            });
            if (!by_timeout) {
                yield_until_waiting(writer);
            }
            auto reader = spawn([&] { m.lock_shared(); });
            if (!by_timeout) {
                yield_until_waiting(reader);
                writer.cancel();
            }
            reader.get();
            writer.wait();
            EXPECT_EQ(writer.cancelled(), !by_timeout);
            m.unlock_shared();
            m.unlock_shared();
            EXPECT_TRUE(m.try_lock());
        }
    });
}

TEST(shared_mutex, bounded_locks_say_whether_they_got_in) {
    on_one_and_four_workers([] {
        shared_mutex m;
        EXPECT_TRUE(m.try_lock_shared_for(k_a_moment));
        EXPECT_TRUE(m.try_lock_shared_until(clock::now() + k_long_time));
        EXPECT_FALSE(m.try_lock_for(k_a_moment));
        EXPECT_FALSE(m.try_lock_until(clock::now()));
        m.unlock_shared();
        m.unlock_shared();
        EXPECT_TRUE(m.try_lock_for(k_long_time));
        EXPECT_FALSE(m.try_lock_shared_for(k_a_moment));
    });
}

TEST(shared_mutex, lock_is_not_lost_when_the_chosen_one_is_cancelled) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 300; ++round) {
            shared_mutex m;
            m.lock();
            auto chosen = spawn([&, round] { round % 2 == 0 ? m.lock() : m.lock_shared(); });
            if (round % 4 < 2) {
                yield();
            }
            auto canceller = spawn([&] { chosen.cancel(); });
            auto leaver = spawn([&] { m.unlock(); });
            canceller.get();
            leaver.get();
            chosen.wait();
            EXPECT_EQ(m.try_lock(), chosen.cancelled());
        }
    });
}

TEST(shared_mutex, serves_plain_threads_and_tasks) {
    runtime rt(runtime_options{.workers = 2});
    shared_mutex m;
    int value = 0;
    auto body = [&] {
        for (int n = 0; n < 400; ++n) {
            if (n % 4 == 0) {
                std::unique_lock const lock(m);
                ++value;
            } else {
                std::shared_lock const lock(m);
                EXPECT_GE(value, n / 4);
            }
        }
    };
    std::thread thread(body);
    auto a = rt.spawn(body);
    auto b = rt.spawn(body);
    body();
    thread.join();
    a.get();
    b.get();
    EXPECT_EQ(value, 400);
}

}  // namespace
}  // namespace coir
