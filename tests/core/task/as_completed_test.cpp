// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/as_completed.hpp>

#include "tests/support/running.hpp"

#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

TEST(as_completed, gives_the_elements_in_the_order_in_which_they_end) {
    on_one_and_four_workers([] {
        std::vector<promise<int>> promises(4);
        std::vector<task<int>> tasks;
        for (auto& p : promises) {
            tasks.push_back(spawn([f = p.get_future()]() mutable { return f.get(); }));
        }
        std::vector<int> const order = {2, 0, 3, 1};
        std::vector<int> seen;
        promises[2].set_value(2);
        for (task<int>& t : as_completed(tasks)) {
            EXPECT_TRUE(t.done());
            seen.push_back(t.get());
            if (seen.size() < order.size()) {
                int const next = order[seen.size()];
                promises[static_cast<std::size_t>(next)].set_value(next);
            }
        }
        EXPECT_EQ(seen, order);
    });
}

TEST(as_completed, begins_with_those_that_are_done_in_the_order_of_the_range) {
    on_one_and_four_workers([] {
        std::vector<task<int>> tasks;
        for (int i = 0; i < 3; ++i) {
            tasks.push_back(spawn([i] { return i; }));
        }
        for (auto const& t : tasks) {
            t.wait();
        }
        std::vector<int> seen;
        for (auto& t : as_completed(tasks)) {
            seen.push_back(t.get());
        }
        EXPECT_EQ(seen, (std::vector<int>{0, 1, 2}));
    });
}

TEST(as_completed, failure_is_thrown_by_its_own_get_only) {
    on_one_and_four_workers([] {
        std::vector<task<int>> tasks;
        tasks.push_back(spawn([]() -> int { throw std::runtime_error("failed"); }));
        tasks.push_back(spawn([] { return 1; }));
        int failed = 0;
        int returned = 0;
        for (auto& t : as_completed(tasks)) {
            try {
                returned += t.get();
            } catch (std::runtime_error const&) {
                ++failed;
            }
        }
        EXPECT_EQ(failed, 1);
        EXPECT_EQ(returned, 1);
    });
}

TEST(as_completed, of_nothing_is_empty) {
    on_one_and_four_workers([] {
        std::vector<task<int>> none;
        for (auto& t : as_completed(none)) {
            ADD_FAILURE() << t.id();
        }
    });
}

TEST(as_completed, cancelled_caller_leaves_the_tasks_alone) {
    on_one_and_four_workers([] {
        std::vector<task<void>> tasks;
        tasks.push_back(spawn(test::sleep_forever));
        auto caller = spawn([&] {
            for (auto& t : as_completed(tasks)) {
                t.get();
            }
        });
        test::yield_until_waiting(caller);
        caller.cancel();
        EXPECT_THROW(caller.get(), cancelled);
        EXPECT_EQ(tasks[0].cancelling(), 0u);
        tasks[0].cancel();
    });
}

TEST(as_completed, may_be_left_early) {
    on_one_and_four_workers([] {
        std::vector<promise<int>> promises(3);
        std::vector<future<int>> futures;
        for (auto& p : promises) {
            futures.push_back(p.get_future());
        }
        promises[1].set_value(1);
        for (auto& f : as_completed(futures)) {
            EXPECT_EQ(f.get(), 1);
            break;
        }
        promises[0].set_value(0);
        promises[2].set_value(0);
    });
}

TEST(as_completed, gives_each_once_when_they_end_on_many_threads) {
    on_one_and_four_workers([] {
        constexpr int k_tasks = 1000;
        std::vector<task<int>> tasks;
        for (int i = 0; i < k_tasks; ++i) {
            tasks.push_back(spawn([i] {
                yield();
                return i;
            }));
        }
        int count = 0;
        long sum = 0;
        for (auto& t : as_completed(tasks)) {
            ++count;
            sum += t.get();
        }
        EXPECT_EQ(count, k_tasks);
        EXPECT_EQ(sum, long{k_tasks} * (k_tasks - 1) / 2);
    });
}

TEST(as_completed, blocks_a_plain_thread) {
    std::vector<promise<int>> promises(2);
    std::vector<future<int>> futures;
    for (auto& p : promises) {
        futures.push_back(p.get_future());
    }
    std::thread setter([&] {
        promises[1].set_value(1);
        promises[0].set_value(0);
    });
    std::vector<int> seen;
    for (auto& f : as_completed(futures)) {
        seen.push_back(f.get());
    }
    setter.join();
    EXPECT_EQ(seen.size(), 2u);
}

TEST(as_completed, that_was_moved_from_refuses) {
    run([] {
        std::vector<task<int>> tasks;
        tasks.push_back(spawn([] { return 7; }));
        auto first = as_completed(tasks);
        auto second = std::move(first);
        EXPECT_THROW(first.begin(), invalid_state);  // NOLINT(bugprone-use-after-move): what this is about
        EXPECT_EQ(second.begin()->get(), 7);
    });
}

}  // namespace
}  // namespace coir
