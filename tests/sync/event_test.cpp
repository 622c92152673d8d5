// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/event.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>

#include <thread>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

TEST(event, lets_everybody_pass_once_it_is_set) {
    on_one_and_four_workers([] {
        event e;
        std::vector<task<void>> waiters;
        for (int i = 0; i < 20; ++i) {
            waiters.push_back(spawn([&] {
                e.wait();
                EXPECT_TRUE(e.is_set());
            }));
        }
        yield();
        e.set();
        for (auto& w : waiters) {
            w.get();
        }
        e.wait();
        EXPECT_TRUE(e.wait_for(std::chrono::seconds(0)));
    });
}

TEST(event, set_wakes_those_who_wait_even_if_clear_follows_at_once) {
    on_one_and_four_workers([] {
        event e;
        std::vector<task<void>> waiters;
        for (int i = 0; i < 20; ++i) {
            waiters.push_back(spawn([&] { e.wait(); }));
            yield_until_waiting(waiters.back());
        }
        e.set();
        e.clear();
        for (auto& w : waiters) {
            w.get();
        }
        EXPECT_FALSE(e.is_set());
    });
}

TEST(event, wait_gives_up_in_time) {
    on_one_and_four_workers([] {
        event e;
        EXPECT_FALSE(e.wait_for(k_a_moment));
        EXPECT_FALSE(e.wait_until(clock::now()));
        e.set();
        EXPECT_TRUE(e.wait_for(std::chrono::hours::max()));
    });
}

TEST(event, cancelled_waiter_throws) {
    on_one_and_four_workers([] {
        event e;
        auto t = spawn([&] { e.wait(); });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        e.set();
    });
}

TEST(event, serves_plain_threads_and_tasks) {
    event to_thread;
    event to_task;
    runtime rt(runtime_options{.workers = 2});
    auto t = rt.spawn([&] {
        to_task.wait();
        to_thread.set();
    });
    to_task.set();
    to_thread.wait();
    t.get();
}

}  // namespace
}  // namespace coir
