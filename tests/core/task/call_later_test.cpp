// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/call_later.hpp>

#include "tests/support/running.hpp"

#include <atomic>
#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

namespace coir {
namespace {

using std::chrono::milliseconds;
using test::k_long_time;
using test::on_one_and_four_workers;

TEST(call_soon, calls_later_and_in_order) {
    run(runtime_options{.workers = 1}, [] {
        std::vector<int> order;
        for (int i = 0; i < 5; ++i) {
            call_soon([&order, i] { order.push_back(i); });
        }
        EXPECT_TRUE(order.empty());
        test::yield_until([&] { return order.size() == 5; });
        EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
    });
}

TEST(call_soon, that_was_cancelled_is_never_called) {
    run(runtime_options{.workers = 1}, [] {
        auto const handle = call_soon([] { ADD_FAILURE(); });
        EXPECT_FALSE(handle.cancelled());
        EXPECT_TRUE(handle.cancel());
        EXPECT_TRUE(handle.cancelled());
        EXPECT_FALSE(handle.cancel());
        yield();
        yield();
    });
}

TEST(call_soon, cannot_be_cancelled_once_it_has_begun) {
    on_one_and_four_workers([] {
        std::atomic<int> step{0};
        auto const handle = call_soon([&] {
            step = 1;
            test::yield_until([&] { return step == 2; });
            yield();
            step = 3;
        });
        test::yield_until([&] { return step == 1; });
        EXPECT_FALSE(handle.cancel());
        EXPECT_FALSE(handle.cancelled());
        step = 2;
        test::yield_until([&] { return step == 3; });
    });
}

TEST(call_later, calls_in_the_order_of_the_deadlines) {
    run(runtime_options{.workers = 1, .virtual_time = true}, [] {
        std::vector<int> order;
        auto const start = clock::now();
        call_later(milliseconds(20), [&] { order.push_back(2); });
        call_later(milliseconds(10), [&] { order.push_back(1); });
        auto const last = call_at(start + milliseconds(30), [&] {
            order.push_back(3);
            EXPECT_GE(clock::now() - start, milliseconds(30));
        });
        EXPECT_EQ(last.when(), start + milliseconds(30));
        sleep(milliseconds(40));
        EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
    });
}

TEST(call_later, that_was_cancelled_is_never_called) {
    run(runtime_options{.workers = 1, .virtual_time = true}, [] {
        auto const handle = call_later(milliseconds(10), [] { ADD_FAILURE(); });
        sleep(milliseconds(5));
        EXPECT_TRUE(handle.cancel());
        sleep(milliseconds(10));
    });
}

TEST(call_later, is_dropped_by_the_shutdown) {
    on_one_and_four_workers([] { call_later(k_long_time, [] { ADD_FAILURE(); }); });
}

TEST(call_soon, outside_of_a_runtime_throws) {
    EXPECT_THROW(call_soon([] {}), no_running_runtime);
}

TEST(call_later, handle_may_be_used_after_it_was_moved) {
    run([] {
        auto first = call_later(k_long_time, [] { ADD_FAILURE(); });
        auto const second = std::move(first);
        EXPECT_TRUE(first.cancel());  // NOLINT(bugprone-use-after-move): what this is about
        EXPECT_TRUE(second.cancelled());
    });
}

TEST(call_later, failure_is_reported_though_the_handle_lives) {
    int reported = 0;
    run(runtime_options{.workers = 1,
                        .virtual_time = true,
                        .on_unhandled_exception = [&](task_ref, std::exception_ptr const&) { ++reported; }},
        [&] {
            auto const later = call_later(milliseconds(1), [] { throw std::runtime_error("of a call"); });
            auto const soon = call_soon([] { throw std::runtime_error("of another one"); });
            sleep(milliseconds(2));
            EXPECT_EQ(reported, 2);
            EXPECT_FALSE(later.cancel());
            EXPECT_FALSE(later.cancelled());
        });
    EXPECT_EQ(reported, 2);
}

}  // namespace
}  // namespace coir
