// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/wait.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/as_completed.hpp>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;

// Tasks that end when they are told to.
struct told {
    std::vector<promise<int>> promises{4};
    std::vector<task<int>> tasks;

    told() {
        for (auto& p : promises) {
            tasks.push_back(spawn([f = p.get_future()]() mutable { return f.get(); }));
        }
    }
    ~told() {
        for (auto& p : promises) {
            p.try_set_value(0);
        }
    }
};

TEST(wait, returns_when_all_are_done) {
    on_one_and_four_workers([] {
        told t;
        auto waiter = spawn([&] {
            auto const [done, pending] = wait(t.tasks);
            EXPECT_EQ(done.size(), 4u);
            EXPECT_TRUE(pending.empty());
            EXPECT_EQ(&done[2].get(), &t.tasks[2]);
        });
        for (auto& p : t.promises) {
            test::yield_until_waiting(waiter);
            p.set_value(1);
        }
        waiter.get();
    });
}

TEST(wait, returns_when_the_first_is_done_and_cancels_nothing) {
    on_one_and_four_workers([] {
        told t;
        t.promises[1].set_value(7);
        auto [done, pending] = wait(t.tasks, {.return_when = return_when::first_completed});
        ASSERT_EQ(done.size(), 1u);
        EXPECT_EQ(done[0].get().get(), 7);
        ASSERT_EQ(pending.size(), 3u);
        EXPECT_EQ(&pending[0].get(), &t.tasks[0]);
        EXPECT_EQ(&pending[1].get(), &t.tasks[2]);
        EXPECT_EQ(pending[0].get().cancelling(), 0u);
    });
}

TEST(wait, returns_at_the_first_exception_and_does_not_throw_it) {
    on_one_and_four_workers([] {
        told t;
        t.promises[0].set_value(1);
        t.promises[3].set_exception(std::make_exception_ptr(std::runtime_error("failed")));
        auto const result = wait(t.tasks, {.return_when = return_when::first_exception});
        EXPECT_GE(result.pending.size(), 2u);
        EXPECT_TRUE(t.tasks[3].done());
        EXPECT_THROW(t.tasks[3].get(), std::runtime_error);
    });
}

TEST(wait, for_the_first_exception_ignores_cancelled_tasks) {
    on_one_and_four_workers([] {
        told t;
        auto waiter =
            spawn([&] { return wait(t.tasks, {.return_when = return_when::first_exception}).pending.size(); });
        test::yield_until_waiting(waiter);
        t.tasks[0].cancel();
        test::yield_until([&] { return t.tasks[0].done(); });
        for (int i = 0; i < 100; ++i) {
            yield();
        }
        EXPECT_FALSE(waiter.done());
        for (std::size_t i = 1; i < 4; ++i) {
            t.promises[i].set_value(1);
        }
        EXPECT_EQ(waiter.get(), 0u);
    });
}

TEST(wait, time_limit_throws_nothing_and_cancels_nothing) {
    on_one_and_four_workers([] {
        told t;
        t.promises[2].set_value(1);
        t.tasks[2].wait();
        for (auto const limit : {std::chrono::nanoseconds(0), std::chrono::nanoseconds(k_a_moment)}) {
            auto const [done, pending] = wait(t.tasks, {.timeout = limit});
            EXPECT_EQ(done.size(), 1u);
            EXPECT_EQ(pending.size(), 3u);
        }
        EXPECT_EQ(t.tasks[0].cancelling(), 0u);
    });
}

TEST(wait, for_nothing_throws_invalid_argument) {
    on_one_and_four_workers([] {
        std::vector<task<int>> none;
        EXPECT_THROW(wait(none), std::invalid_argument);
    });
}

TEST(wait, cancelled_caller_leaves_the_tasks_alone) {
    on_one_and_four_workers([] {
        told t;
        auto waiter = spawn([&] { wait(t.tasks); });
        test::yield_until_waiting(waiter);
        waiter.cancel();
        EXPECT_THROW(waiter.get(), cancelled);
        for (auto const& one : t.tasks) {
            EXPECT_EQ(one.cancelling(), 0u);
        }
    });
}

TEST(wait, takes_what_it_has_returned) {
    on_one_and_four_workers([] {
        told t;
        auto left = wait(t.tasks, {.timeout = std::chrono::nanoseconds(0)});
        std::size_t seen = 0;
        for (auto& p : t.promises) {
            p.set_value(1);
            left = wait(left.pending, {.return_when = return_when::first_completed});
            EXPECT_EQ(&left.done.at(0).get(), &t.tasks[seen]);
            seen += left.done.size();
        }
        EXPECT_EQ(seen, 4u);
        EXPECT_EQ(wait(left.done).done.size(), 1u);
        for (task<int>& one : as_completed(left.done)) {
            EXPECT_EQ(&one, &t.tasks[3]);
        }
    });
}

TEST(wait, takes_futures_and_blocks_a_plain_thread) {
    std::vector<promise<int>> promises(2);
    std::vector<future<int>> futures;
    for (auto& p : promises) {
        futures.push_back(p.get_future());
    }
    std::thread setter([&] { promises[1].set_value(3); });
    auto const [done, pending] = wait(futures, {.return_when = return_when::first_completed});
    setter.join();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].get().get(), 3);
    EXPECT_EQ(wait(futures, {.timeout = k_a_moment}).pending.size(), 1u);
    promises[0].set_value(1);
}

}  // namespace
}  // namespace coir
