// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/watch.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>

#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace coir {
namespace {

using test::k_a_moment;
using test::k_long_time;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

TEST(watch, receiver_sees_the_latest_value_and_how_many_it_skipped) {
    watch<std::string> w("a");
    auto r = w.subscribe();
    EXPECT_FALSE(r.has_changed());
    EXPECT_EQ(r.get(), "a");
    w.set("b");
    w.set("c");
    w.set("d");
    EXPECT_TRUE(r.has_changed());
    EXPECT_EQ(r.changed(), 3u);
    EXPECT_EQ(r.get(), "d");
    EXPECT_FALSE(r.has_changed());
    w.set("e");
    EXPECT_EQ(r.get(), "e");
    EXPECT_FALSE(r.has_changed());
    EXPECT_EQ(w.get(), "e");
}

TEST(watch, changed_waits_for_the_next_value) {
    on_one_and_four_workers([] {
        watch<int> w(0);
        auto follower = spawn([r = w.subscribe()]() mutable {
            r.changed();
            return r.get();
        });
        yield_until_waiting(follower);
        EXPECT_EQ(w.receivers(), 1u);
        w.set(5);
        EXPECT_EQ(follower.get(), 5);
    });
}

TEST(watch, close_shows_the_last_value_and_then_the_end) {
    on_one_and_four_workers([] {
        std::optional<watch<int>> w(0);
        auto r = w->subscribe();
        auto follower = spawn([r2 = w->subscribe()]() mutable {
            std::uint64_t seen = 0;
            while (auto const count = r2.changed()) {
                seen += count;
            }
            return seen;
        });
        w->set(1);
        w->set(2);
        w->close();
        EXPECT_THROW(w->set(3), channel_closed);
        w.reset();
        EXPECT_EQ(follower.get(), 2u);
        EXPECT_EQ(r.changed_for(k_long_time), channel_status::success);
        EXPECT_EQ(r.changed_for(k_long_time), channel_status::closed);
        EXPECT_EQ(r.changed(), 0u);
        EXPECT_EQ(r.get(), 2);
    });
}

TEST(watch, waits_for_a_value_that_fits) {
    on_one_and_four_workers([] {
        watch<int> w(0);
        auto follower =
            spawn([r = w.subscribe()]() mutable { return r.wait([](int v) { return v % 10 == 0 && v != 0; }); });
        for (int i = 1; i <= 10; ++i) {
            w.set(i);
            yield();
        }
        EXPECT_EQ(follower.get(), 10);
        auto never = spawn([r = w.subscribe()]() mutable { r.wait([](int v) { return v < 0; }); });
        yield_until_waiting(never);
        w.close();
        EXPECT_THROW(never.get(), channel_closed);
    });
}

TEST(watch, value_that_could_not_be_looked_at_was_not_seen) {
    static bool refuses;
    refuses = false;
    struct value {
        explicit value(int n) : number(n) {}
        value(value&&) = default;
        value(value const& other) : number(other.number) {
            if (refuses) {
                throw std::runtime_error("no copy");
            }
        }
        int number;
    };
    watch<value> w(value(1));
    auto r = w.subscribe();
    auto const is_two = [](value const& v) { return v.number == 2; };
    w.set(value(2));
    refuses = true;
    EXPECT_THROW(r.get(), std::runtime_error);
    EXPECT_TRUE(r.has_changed());
    EXPECT_THROW(r.wait(is_two), std::runtime_error);
    EXPECT_TRUE(r.has_changed());
    refuses = false;
    EXPECT_EQ(r.wait(is_two).number, 2);
    EXPECT_FALSE(r.has_changed());

    w.set(value(3));
    EXPECT_THROW(r.wait([](value const&) -> bool { throw std::logic_error("no opinion"); }), std::logic_error);
    EXPECT_TRUE(r.has_changed());
    // The next one, after one that did not fit: that one was seen.
    EXPECT_THROW(r.wait([&](value const& v) {
        if (v.number == 4) {
            throw std::logic_error("no opinion");
        }
        w.set(value(4));
        return false;
    }),
                 std::logic_error);
    EXPECT_EQ(r.changed(), 1u);
}

TEST(watch, timed_out_and_cancelled_receivers_have_seen_nothing) {
    on_one_and_four_workers([] {
        watch<int> w(0);
        auto r = w.subscribe();
        EXPECT_EQ(r.changed_for(k_a_moment), channel_status::timeout);
        auto t = spawn([&] { r.changed(); });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        w.set(1);
        EXPECT_EQ(r.changed(), 1u);
    });
}

TEST(watch, serves_plain_threads_and_tasks) {
    runtime rt(runtime_options{.workers = 2});
    watch<int> w(0);
    auto last = [](watch_receiver<int>& r) {
        int previous = -1;
        while (r.changed() != 0) {
            int const now = r.get();
            EXPECT_GE(now, previous);
            previous = now;
        }
        return r.get();
    };
    auto t = rt.spawn([&, r = w.subscribe()]() mutable { return last(r); });
    int in_thread = 0;
    std::thread thread([&, r = w.subscribe()]() mutable { in_thread = last(r); });
    for (int i = 1; i <= 500; ++i) {
        w.set(i);
    }
    w.close();
    thread.join();
    EXPECT_EQ(in_thread, 500);
    EXPECT_EQ(t.get(), 500);
}

TEST(watch, receiver_that_was_moved_from_refuses) {
    watch<int> w(1);
    auto first = w.subscribe();
    auto const second = std::move(first);
    EXPECT_THROW(first.get(), invalid_state);  // NOLINT(bugprone-use-after-move): what this is about
    EXPECT_THROW(first.has_changed(), invalid_state);
    EXPECT_THROW(first.changed(), invalid_state);
    EXPECT_FALSE(second.has_changed());
}

}  // namespace
}  // namespace coir
