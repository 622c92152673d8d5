// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/wrap_future.hpp>

#include "tests/support/no_threads.hpp"
#include "tests/support/running.hpp"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

TEST(wrap_future, passes_results_and_exceptions_on) {
    on_one_and_four_workers([] {
        std::promise<int> value;
        auto wrapped = wrap_future(value.get_future());
        auto waiting = spawn([&] { return wrapped.get(); });
        test::yield_until_waiting(waiting);
        value.set_value(3);
        EXPECT_EQ(waiting.get(), 3);

        std::promise<void> failing;
        failing.set_exception(std::make_exception_ptr(std::runtime_error("std")));
        EXPECT_THROW(wrap_future(failing.get_future()).get(), std::runtime_error);

        std::promise<std::unique_ptr<int>> moved;
        moved.set_value(std::make_unique<int>(4));
        EXPECT_EQ(*wrap_future(moved.get_future()).get(), 4);

        int target = 0;
        std::promise<int&> reference;
        reference.set_value(target);
        EXPECT_EQ(&wrap_future(reference.get_future()).get(), &target);

        std::promise<int> shared;
        shared.set_value(5);
        EXPECT_EQ(wrap_future(shared.get_future().share()).get(), 5);
    });
}

TEST(wrap_future, deferred_one_is_run) {
    on_one_and_four_workers(
        [] { EXPECT_EQ(wrap_future(std::async(std::launch::deferred, [] { return 6; })).get(), 6); });
}

TEST(wrap_future, many_share_a_few_threads_and_arrive_in_any_order) {
    on_one_and_four_workers([] {
        constexpr int k_count = 100;
        std::vector<std::promise<int>> promises(k_count);
        std::vector<future<int>> wrapped;
        for (auto& p : promises) {
            wrapped.push_back(wrap_future(p.get_future()));
        }
        for (int i = k_count - 1; i >= 0; --i) {
            promises[static_cast<std::size_t>(i)].set_value(i);
            EXPECT_EQ(wrapped[static_cast<std::size_t>(i)].get(), i);
        }
    });
}

TEST(wrap_future, one_for_which_no_thread_can_be_started_fails_and_later_ones_do_not) {
    on_one_and_four_workers([] {
        auto const wrap_one = [](int value) {
            std::promise<int> source;
            auto wrapped = wrap_future(source.get_future());
            source.set_value(value);
            return wrapped.get();
        };
        {
            test::no_threads const none;
            for (int i = 0; i < 10; ++i) {
                try {
                    EXPECT_EQ(wrap_one(i), i);  // by a thread of an earlier test
                } catch (broken_promise const&) {
                }
            }
        }
        for (int i = 0; i < 10; ++i) {
            EXPECT_EQ(wrap_one(i), i);
        }
    });
}

TEST(wrap_future, cancelled_one_leaves_the_standard_future_to_its_end) {
    on_one_and_four_workers([] {
        auto const result = std::make_shared<int>(1);
        std::promise<std::shared_ptr<int>> source;
        auto wrapped = wrap_future(source.get_future());
        EXPECT_TRUE(wrapped.cancel());
        EXPECT_THROW(wrapped.get(), cancelled);
        source.set_value(result);
        source = {};
        test::yield_until([&] { return result.use_count() == 1; });
    });
}

TEST(wrap_future, empty_one_is_an_error) {
    EXPECT_THROW(wrap_future(std::future<int>()), std::future_error);
}

}  // namespace
}  // namespace coir
