// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/broadcast.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>

#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

TEST(broadcast, every_receiver_gets_what_is_pushed_after_it_subscribed) {
    broadcast<std::string> b(4);
    EXPECT_EQ(b.push("nobody hears this"), 0u);
    auto first = b.subscribe();
    EXPECT_EQ(b.push("one"), 1u);
    auto second = b.subscribe();
    EXPECT_EQ(b.push("two"), 2u);
    EXPECT_EQ(first.size(), 2u);
    EXPECT_EQ(first.pop(), "one");
    EXPECT_EQ(first.pop(), "two");
    EXPECT_EQ(first.try_pop(), std::nullopt);
    EXPECT_EQ(second.try_pop(), "two");
}

TEST(broadcast, push_wakes_everybody_who_waits) {
    on_one_and_four_workers([] {
        broadcast<int> b(4);
        std::vector<task<std::optional<int>>> readers;
        for (int i = 0; i < 5; ++i) {
            readers.push_back(spawn([r = b.subscribe()]() mutable { return r.pop(); }));
            yield_until_waiting(readers.back());
        }
        EXPECT_EQ(b.receivers(), 5u);
        b.push(7);
        for (auto& r : readers) {
            EXPECT_EQ(r.get(), 7);
        }
        readers.clear();
        EXPECT_EQ(b.receivers(), 0u);
    });
}

TEST(broadcast, receiver_that_lags_is_told_and_goes_on) {
    broadcast<int> b(3);
    auto r = b.subscribe();
    for (int i = 0; i < 8; ++i) {
        b.push(i);
    }
    EXPECT_EQ(r.size(), 8u);
    try {
        r.pop();
        FAIL();
    } catch (receiver_lagged const& lag) {
        EXPECT_EQ(lag.missed(), 5u);
    }
    EXPECT_EQ(r.pop(), 5);
    b.push(8);
    EXPECT_EQ(r.pop(), 6);
    EXPECT_EQ(r.pop(), 7);
    EXPECT_EQ(r.pop(), 8);
    EXPECT_EQ(r.try_pop(), std::nullopt);
}

TEST(broadcast, close_lets_receivers_drain) {
    on_one_and_four_workers([] {
        std::optional<broadcast<int>> b(std::in_place, 3u);
        auto r = b->subscribe();
        auto waiting = spawn([r2 = b->subscribe()]() mutable {
            EXPECT_EQ(r2.pop(), 1);
            return r2.pop();
        });
        b->push(1);
        yield_until_waiting(waiting);
        b->close();
        EXPECT_THROW(b->push(2), channel_closed);
        b.reset();
        EXPECT_EQ(waiting.get(), std::nullopt);
        int out = 0;
        EXPECT_EQ(r.pop_for(k_a_moment, out), channel_status::success);
        EXPECT_EQ(out, 1);
        EXPECT_EQ(r.pop_for(k_a_moment, out), channel_status::closed);
        EXPECT_EQ(r.pop(), std::nullopt);
    });
}

TEST(broadcast, timed_out_and_cancelled_receivers_have_missed_nothing) {
    on_one_and_four_workers([] {
        broadcast<int> b(3);
        auto r = b.subscribe();
        int out = -1;
        EXPECT_EQ(r.pop_for(k_a_moment, out), channel_status::timeout);
        auto t = spawn([&] { r.pop(); });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        b.push(4);
        EXPECT_EQ(r.pop(), 4);
    });
}

TEST(broadcast, keeps_no_value_that_has_been_overwritten) {
    broadcast<std::shared_ptr<int>> b(2);
    auto r = b.subscribe();
    auto const value = std::make_shared<int>(1);
    b.push(value);
    EXPECT_EQ(value.use_count(), 2);
    b.push(nullptr);
    b.push(nullptr);
    EXPECT_EQ(value.use_count(), 1);
}

TEST(broadcast, needs_room) {
    EXPECT_THROW(broadcast<int>(0), std::invalid_argument);
}

TEST(broadcast, serves_plain_threads_and_tasks) {
    runtime rt(runtime_options{.workers = 2});
    broadcast<int> b(1000);
    auto sum = [](broadcast_receiver<int>& r) {
        int total = 0;
        while (auto const value = r.pop()) {
            total += *value;
        }
        return total;
    };
    auto t = rt.spawn([&, r = b.subscribe()]() mutable { return sum(r); });
    int in_thread = 0;
    std::thread thread([&, r = b.subscribe()]() mutable { in_thread = sum(r); });
    for (int i = 0; i < 500; ++i) {
        b.push(1);
    }
    b.close();
    thread.join();
    EXPECT_EQ(in_thread, 500);
    EXPECT_EQ(t.get(), 500);
}

TEST(broadcast, receiver_that_was_moved_from_refuses) {
    broadcast<int> b(1);
    auto first = b.subscribe();
    auto second = std::move(first);
    b.push(7);
    EXPECT_THROW(first.pop(), invalid_state);  // NOLINT(bugprone-use-after-move): what this is about
    EXPECT_THROW(first.try_pop(), invalid_state);
    EXPECT_THROW(first.size(), invalid_state);
    EXPECT_EQ(second.pop(), 7);
}

}  // namespace
}  // namespace coir
