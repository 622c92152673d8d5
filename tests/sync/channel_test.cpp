// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/channel.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>

#include <memory>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

TEST(channel, gives_items_in_the_order_of_pushing) {
    on_one_and_four_workers([] {
        for (std::size_t const capacity : {0u, 1u, 7u}) {
            channel<int> ch(capacity);
            auto pusher = spawn([&] {
                for (int i = 0; i < 500; ++i) {
                    ch.push(i);
                }
                ch.close();
            });
            int expected = 0;
            for (int const item : ch) {
                EXPECT_EQ(item, expected++);
            }
            EXPECT_EQ(expected, 500);
            pusher.get();
        }
    });
}

TEST(channel, push_without_capacity_waits_for_its_pop) {
    on_one_and_four_workers([] {
        channel<int> ch;
        std::atomic<bool> pushed{false};
        auto pusher = spawn([&] {
            ch.push(1);
            pushed = true;
        });
        yield_until_waiting(pusher);
        EXPECT_FALSE(pushed);
        EXPECT_EQ(ch.size(), 0u);
        EXPECT_EQ(ch.pop(), 1);
        pusher.get();
        EXPECT_TRUE(pushed);
    });
}

TEST(channel, push_waits_while_it_is_full) {
    on_one_and_four_workers([] {
        channel<int> ch(2);
        ch.push(1);
        ch.push(2);
        auto pusher = spawn([&] { ch.push(3); });
        yield_until_waiting(pusher);
        EXPECT_EQ(ch.size(), 2u);
        EXPECT_EQ(ch.pop(), 1);
        pusher.get();
        EXPECT_EQ(ch.pop(), 2);
        EXPECT_EQ(ch.pop(), 3);
    });
}

TEST(channel, try_push_leaves_its_argument_on_failure) {
    channel<std::unique_ptr<int>> ch(1);
    auto a = std::make_unique<int>(1);
    auto b = std::make_unique<int>(2);
    EXPECT_TRUE(ch.try_push(std::move(a)));
    EXPECT_FALSE(ch.try_push(std::move(b)));
    ASSERT_NE(b, nullptr);  // NOLINT(bugprone-use-after-move): that is the question
    EXPECT_EQ(*b, 2);
    ch.close();
    EXPECT_FALSE(ch.try_push(std::move(b)));
    EXPECT_NE(b, nullptr);
    EXPECT_EQ(**ch.try_pop(), 1);
    EXPECT_EQ(ch.try_pop(), std::nullopt);
}

TEST(channel, close_lets_poppers_drain_and_pushers_throw) {
    on_one_and_four_workers([] {
        channel<int> ch(2);
        ch.push(1);
        ch.push(2);
        auto pusher = spawn([&] { EXPECT_THROW(ch.push(3), channel_closed); });
        yield_until_waiting(pusher);
        ch.close();
        ch.close();
        pusher.get();
        EXPECT_THROW(ch.push(4), channel_closed);
        EXPECT_EQ(ch.pop(), 1);
        EXPECT_EQ(ch.pop(), 2);
        EXPECT_EQ(ch.pop(), std::nullopt);
    });
}

TEST(channel, close_wakes_waiting_poppers) {
    on_one_and_four_workers([] {
        channel<int> ch;
        auto popper = spawn([&] { return ch.pop(); });
        yield_until_waiting(popper);
        ch.close();
        EXPECT_EQ(popper.get(), std::nullopt);
    });
}

TEST(channel, bounded_push_and_pop_say_how_they_ended) {
    on_one_and_four_workers([] {
        channel<int> ch(1);
        int out = -1;
        EXPECT_EQ(ch.pop_for(k_a_moment, out), channel_status::timeout);
        EXPECT_EQ(out, -1);
        EXPECT_EQ(ch.push_for(5, k_a_moment), channel_status::success);
        EXPECT_EQ(ch.push_for(6, k_a_moment), channel_status::timeout);
        EXPECT_EQ(ch.pop_for(std::chrono::hours::max(), out), channel_status::success);
        EXPECT_EQ(out, 5);
        ch.close();
        EXPECT_EQ(ch.push_for(7, k_a_moment), channel_status::closed);
        EXPECT_EQ(ch.pop_for(k_a_moment, out), channel_status::closed);
        EXPECT_EQ(out, 5);
    });
}

TEST(channel, poppers_are_served_in_the_order_of_their_coming) {
    on_one_and_four_workers([] {
        channel<int> ch;
        std::vector<task<std::optional<int>>> poppers;
        for (int i = 0; i < 10; ++i) {
            poppers.push_back(spawn([&] { return ch.pop(); }));
            yield_until_waiting(poppers.back());
        }
        for (int i = 0; i < 10; ++i) {
            ch.push(i);
        }
        for (int i = 0; i < 10; ++i) {
            EXPECT_EQ(poppers[static_cast<std::size_t>(i)].get(), i);
        }
    });
}

TEST(channel, pushers_are_served_in_the_order_of_their_coming) {
    on_one_and_four_workers([] {
        channel<int> ch;
        std::vector<task<void>> pushers;
        for (int i = 0; i < 10; ++i) {
            pushers.push_back(spawn([&, i] { ch.push(i); }));
            yield_until_waiting(pushers.back());
        }
        for (int i = 0; i < 10; ++i) {
            EXPECT_EQ(ch.pop(), i);
        }
        for (auto& p : pushers) {
            p.get();
        }
    });
}

TEST(channel, popper_that_is_chosen_and_cancelled_at_once_loses_no_item) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 500; ++round) {
            channel<int> ch(1);
            auto popper = spawn([&] { return ch.pop(); });
            if (round % 2 == 0) {
                yield();
            }
            auto canceller = spawn([&] { popper.cancel(); });
            auto pusher = spawn([&, round] { ch.push(round); });
            canceller.get();
            pusher.get();
            popper.wait();
            EXPECT_EQ(popper.cancelled() ? ch.try_pop() : popper.get(), round);
            EXPECT_EQ(ch.try_pop(), std::nullopt);
        }
    });
}

TEST(channel, timed_out_popper_loses_no_item) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 500; ++round) {
            channel<int> ch(1);
            int out = -1;
            auto popper = spawn([&] { return ch.pop_for(std::chrono::microseconds(round % 40), out); });
            auto pusher = spawn([&, round] { ch.push(round); });
            pusher.get();
            bool const got = popper.get() == channel_status::success;
            EXPECT_EQ(got ? std::optional<int>(out) : ch.try_pop(), round);
            EXPECT_EQ(ch.try_pop(), std::nullopt);
        }
    });
}

TEST(channel, cancelled_pusher_has_not_pushed) {
    on_one_and_four_workers([] {
        channel<int> ch;
        auto pusher = spawn([&] { ch.push(1); });
        yield_until_waiting(pusher);
        pusher.cancel();
        EXPECT_THROW(pusher.get(), cancelled);
        EXPECT_EQ(ch.try_pop(), std::nullopt);
    });
}

// A move that throws while others are served: the item stays where it is, and only its owner hears of it.
class brittle {
public:
    brittle(int v, bool f) : value(v), fails(f) {}
    brittle(brittle&& other) : value(other.value), fails(other.fails) {
        if (fails) {
            throw std::runtime_error("cannot be moved");
        }
    }
    brittle& operator=(brittle&&) = default;
    int value;
    bool fails;
};

TEST(channel, item_that_cannot_be_moved_costs_nobody_else_an_item_or_a_wake_up) {
    on_one_and_four_workers([] {
        channel<brittle> ch(1);
        ch.push(brittle(1, false));
        auto bad = spawn([&] {
            brittle item(2, true);
            EXPECT_THROW(ch.push(std::move(item)), std::runtime_error);
            EXPECT_EQ(item.value, 2);  // NOLINT(bugprone-use-after-move): that is the question
        });
        yield_until_waiting(bad);
        auto good = spawn([&] { ch.push(brittle(3, false)); });
        yield_until_waiting(good);
        EXPECT_EQ(ch.pop()->value, 1);
        good.get();  // has got the room that the other one could not use
        EXPECT_EQ(ch.pop()->value, 3);
        bad.get();
    });
}

TEST(channel, popper_that_cannot_take_an_item_leaves_it_to_its_pusher) {
    on_one_and_four_workers([] {
        channel<brittle> ch;
        auto pusher = spawn([&] {
            brittle item(2, true);
            EXPECT_THROW(ch.push(std::move(item)), cancelled);
            EXPECT_EQ(item.value, 2);  // NOLINT(bugprone-use-after-move): that is the question
        });
        yield_until_waiting(pusher);
        EXPECT_THROW(ch.pop(), std::runtime_error);
        yield_until_waiting(pusher);
        pusher.cancel();
        pusher.get();
    });
}

TEST(channel, serves_plain_threads_and_tasks) {
    for (std::size_t const capacity : {0u, 4u}) {
        channel<int> there(capacity);
        channel<int> back(capacity);
        runtime rt(runtime_options{.workers = 2});
        auto t = rt.spawn([&] {
            for (int const item : there) {
                back.push(item * 2);
            }
            back.close();
        });
        for (int i = 0; i < 500; ++i) {
            there.push(i);
            EXPECT_EQ(back.pop(), i * 2);
        }
        there.close();
        EXPECT_EQ(back.pop(), std::nullopt);
        t.get();
    }
}

}  // namespace
}  // namespace coir
