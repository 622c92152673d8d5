// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/shield.hpp>

#include "tests/support/running.hpp"

#include <stdexcept>

namespace coir {
namespace {

using test::on_one_and_four_workers;

TEST(shield, returns_the_result) {
    on_one_and_four_workers([] {
        auto t = spawn([] { return 4; });
        EXPECT_EQ(shield(t), 4);
        auto failing = spawn([]() -> int { throw std::runtime_error("failed"); });
        EXPECT_THROW(shield(failing), std::runtime_error);
    });
}

TEST(shield, cancelled_caller_throws_at_once_and_the_task_runs_on) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto inner = spawn([f = p.get_future()]() mutable { return f.get(); });
        auto caller = spawn([&] { return shield(inner); });
        test::yield_until_waiting(caller);
        caller.cancel();
        EXPECT_THROW(caller.get(), cancelled);
        EXPECT_FALSE(inner.done());
        EXPECT_EQ(inner.cancelling(), 0u);
        p.set_value(6);
        EXPECT_EQ(inner.get(), 6);
    });
}

TEST(shield, leaves_a_future_alone) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto f = p.get_future();
        auto caller = spawn([&] { return shield(f); });
        test::yield_until_waiting(caller);
        caller.cancel();
        EXPECT_THROW(caller.get(), cancelled);
        EXPECT_TRUE(p.try_set_value(1));
        EXPECT_EQ(f.get(), 1);
    });
}

TEST(shield, of_a_cancelled_task_throws_cancelled) {
    on_one_and_four_workers([] {
        auto inner = spawn(test::sleep_forever);
        inner.cancel();
        EXPECT_THROW(shield(inner), cancelled);
        EXPECT_EQ(current_task().cancelling(), 0u);
    });
}

}  // namespace
}  // namespace coir
