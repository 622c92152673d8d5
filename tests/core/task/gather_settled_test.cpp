// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/gather.hpp>

#include "tests/support/running.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

[[noreturn]] int fails() {
    throw std::runtime_error("failed");
}

TEST(gather_settled, gives_values_and_exceptions_in_argument_order) {
    on_one_and_four_workers([] {
        auto passed = spawn([] { return std::string("passed"); });
        auto [one, two, three, four] = gather_settled([] { return 1; }, fails, passed, [] {});
        static_assert(std::is_same_v<decltype(one), outcome<int>>);
        static_assert(std::is_same_v<decltype(four), outcome<void>>);
        EXPECT_TRUE(one.has_value());
        EXPECT_EQ(one.value(), 1);
        EXPECT_EQ(one.error(), nullptr);
        EXPECT_FALSE(two.has_value());
        EXPECT_NE(two.error(), nullptr);
        EXPECT_THROW(two.value(), std::runtime_error);
        EXPECT_EQ(three.value(), "passed");
        EXPECT_NO_THROW(four.value());
    });
}

TEST(gather_settled, waits_for_all_although_one_has_failed) {
    on_one_and_four_workers([] {
        promise<void> failed;
        bool ended = false;
        gather_settled(
            [&] {
                failed.set_value();
                fails();
            },
            [&, seen = failed.get_future()]() mutable {
                seen.get();
                for (int i = 0; i < 100; ++i) {
                    yield();
                }
                ended = true;
            });
        EXPECT_TRUE(ended);
    });
}

TEST(gather_settled, range_gives_a_vector) {
    on_one_and_four_workers([] {
        std::vector<task<int>> tasks;
        for (int i = 0; i < 10; ++i) {
            tasks.push_back(spawn([i] { return i % 2 == 0 ? i : fails(); }));
        }
        std::vector<outcome<int>> const outcomes = gather_settled(tasks);
        ASSERT_EQ(outcomes.size(), 10u);
        for (int i = 0; i < 10; ++i) {
            auto const& o = outcomes[static_cast<std::size_t>(i)];
            EXPECT_EQ(o.has_value(), i % 2 == 0);
            if (o.has_value()) {
                EXPECT_EQ(o.value(), i);
            }
        }
    });
}

TEST(gather_settled, cancelled_child_is_an_outcome) {
    on_one_and_four_workers([] {
        auto victim = spawn([] {
            test::sleep_forever();
            return 1;
        });
        victim.cancel("why not");
        auto [one, two] = gather_settled(victim, [] { return 2; });
        EXPECT_FALSE(one.has_value());
        EXPECT_THROW(one.value(), cancelled);
        EXPECT_EQ(two.value(), 2);
    });
}

TEST(gather_settled, cancelled_caller_cancels_all_and_waits_for_them) {
    on_one_and_four_workers([] {
        std::atomic<int> started{0};
        std::atomic<int> ended{0};
        auto body = [&] {
            ++started;  // one that is cancelled before it starts never runs
            try {
                test::sleep_forever();
            } catch (cancelled const&) {
                cancel_shield const shield;
                yield();
                ++ended;
                throw;
            }
        };
        auto caller = spawn([&] { gather_settled(body, body); });
        test::yield_until([&] { return started == 2; });
        caller.cancel();
        EXPECT_THROW(caller.get(), cancelled);
        EXPECT_EQ(ended, 2);
    });
}

TEST(gather_settled, carries_move_only_values_and_references) {
    on_one_and_four_workers([] {
        int x = 5;
        auto [box, reference] = gather_settled([] { return std::make_unique<int>(3); }, [&x]() -> int& { return x; });
        EXPECT_EQ(*std::move(box).value(), 3);
        EXPECT_EQ(&reference.value(), &x);
    });
}

TEST(gather_settled, nothing_gives_nothing) {
    on_one_and_four_workers([] {
        static_assert(std::tuple_size_v<decltype(gather_settled())> == 0);
        std::vector<future<int>> none;
        EXPECT_TRUE(gather_settled(none).empty());
    });
}

}  // namespace
}  // namespace coir
