// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/select.hpp>

#include "tests/support/running.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/task/task.hpp>
#include <coir/sync/channel.hpp>
#include <coir/sync/priority_queue.hpp>
#include <coir/sync/queue.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace coir {
namespace {

using test::k_a_moment;
using test::k_long_time;
using test::on_one_and_four_workers;
using test::yield_until;
using test::yield_until_waiting;

auto fails() {
    return [](auto&&...) { ADD_FAILURE() << "the wrong case"; };
}

TEST(select, takes_the_case_that_can_be_taken_now) {
    on_one_and_four_workers([] {
        channel<int> empty(1);
        channel<int> full(1);
        full.push(7);
        int got = 0;
        EXPECT_EQ(select(on_pop(empty, fails()), on_push(full, 1, fails()), on_pop(full, [&](int v) { got = v; })), 2u);
        EXPECT_EQ(got, 7);
        bool pushed = false;
        EXPECT_EQ(select(on_pop(empty, fails()), on_push(full, 8, [&] { pushed = true; })), 1u);
        EXPECT_TRUE(pushed);
        EXPECT_EQ(full.try_pop(), 8);
    });
}

TEST(select, of_several_that_can_be_taken_it_is_the_first_and_no_other) {
    on_one_and_four_workers([] {
        channel<int> a(1);
        channel<int> b(1);
        event e;
        e.set();
        b.push(1);
        a.push(2);
        EXPECT_EQ(select(on_pop(b, [](int) {}), on_pop(a, fails()), on_ready(e, fails())), 0u);
        EXPECT_EQ(a.size(), 1u);
        EXPECT_EQ(select(on_ready(e, [] {}), on_pop(a, fails())), 0u);
        EXPECT_EQ(a.size(), 1u);
    });
}

TEST(select, waits_for_each_kind_of_case) {
    on_one_and_four_workers([] {
        channel<int> pops;
        channel<int> pushes;
        queue<int> items(1);
        event e;
        promise<int> p;
        auto f = p.get_future();
        task<void> never = spawn([] { test::sleep_forever(); });
        auto waiting = [&] {
            return spawn([&] {
                return select(on_pop(pops, [](int v) { EXPECT_EQ(v, 1); }), on_push(pushes, 2, [] {}),
                              on_pop(items, [](int v) { EXPECT_EQ(v, 3); }), on_ready(e, [] {}),
                              on_ready(f, [](int v) { EXPECT_EQ(v, 4); }), on_ready(never, fails()),
                              after(k_long_time, fails()));
            });
        };
        for (std::size_t which = 0; which < 5; ++which) {
            auto t = waiting();
            yield_until_waiting(t);
            switch (which) {
            case 0:
                pops.push(1);
                break;
            case 1:
                EXPECT_EQ(pushes.pop(), 2);
                break;
            case 2:
                items.put(3);
                break;
            case 3:
                e.set();
                e.clear();  // it was set all the same
                break;
            default:
                p.set_value(4);
            }
            EXPECT_EQ(t.get(), which);
            EXPECT_EQ(pops.try_pop(), std::nullopt);
            EXPECT_EQ(pushes.try_pop(), std::nullopt);
            EXPECT_FALSE(pushes.try_push(9));
        }
        never.cancel();
    });
}

TEST(select, after_is_taken_when_nothing_else_was) {
    on_one_and_four_workers([] {
        channel<int> ch;
        EXPECT_EQ(select(on_pop(ch, fails()), after(k_long_time, fails()), after(k_a_moment, [] {})), 2u);
        EXPECT_EQ(select(on_pop(ch, fails()), after(std::chrono::seconds(0), [] {})), 1u);
        EXPECT_EQ(select(on_pop(ch, fails()), after(-k_long_time, [] {})), 1u);
        EXPECT_FALSE(ch.try_push(1));
    });
}

TEST(select, otherwise_never_waits_and_starts_nothing) {
    on_one_and_four_workers([] {
        channel<int> ch(1);
        EXPECT_EQ(select(otherwise([] {}), on_pop(ch, fails()), on_ready([] { ADD_FAILURE(); }, fails())), 0u);
        ch.push(1);
        EXPECT_EQ(select(otherwise(fails()), on_pop(ch, [](int) {})), 1u);
    });
}

TEST(select, pushed_rvalue_stays_where_it_is_unless_its_case_is_taken) {
    on_one_and_four_workers([] {
        channel<std::unique_ptr<int>> ch(1);
        auto item = std::make_unique<int>(1);
        EXPECT_EQ(select(on_push(ch, std::move(item), [] {})), 0u);
        item = std::make_unique<int>(2);
        EXPECT_EQ(select(on_push(ch, std::move(item), fails()), after(k_a_moment, [] {})), 1u);
        ASSERT_NE(item, nullptr);  // NOLINT(bugprone-use-after-move): that is the question
        channel<std::string> names(1);
        std::string const name = "x";
        EXPECT_EQ(select(on_push(names, name, [] {})), 0u);
        EXPECT_EQ(select(on_push(names, "y", fails()), otherwise([] {})), 1u);
        EXPECT_EQ(names.try_pop(), "x");
    });
}

TEST(select, closed_channel_is_not_passed_over_in_silence) {
    on_one_and_four_workers([] {
        channel<int> ch(1);
        channel<int> open;
        ch.push(1);
        ch.close();
        EXPECT_EQ(select(on_pop(open, fails()), on_pop(ch, [](int) {})), 1u);
        EXPECT_THROW(select(on_pop(open, fails()), on_pop(ch, fails())), channel_closed);
        EXPECT_THROW(select(on_push(ch, 1, fails())), channel_closed);
        bool told = false;
        EXPECT_EQ(select(on_pop(ch, [&](std::optional<int> v) { told = !v; })), 0u);
        EXPECT_TRUE(told);
        queue<int> q;
        q.shutdown();
        EXPECT_THROW(select(on_pop(q, fails())), queue_shut_down);
    });
}

// However it is written, as long as its parameter is.
TEST(select, callback_that_takes_an_optional_is_told_of_the_end) {
    static int told;
    told = 0;
    channel<int> ch;
    ch.close();
    using item = std::optional<int>;
    struct counts_by_const_lvalue {
        void operator()(item const& v) const& noexcept { told += !v; }
    };
    struct counts_by_lvalue {
        void operator()(item v) & { told += !v; }
    };
    auto const lambda = [](item v) { told += !v; };
    select(on_pop(ch, lambda));
    select(on_pop(ch, [](item v) noexcept { told += !v; }));
    select(on_pop(ch, [](item&& v) mutable noexcept { told += !v; }));
    select(on_pop(ch, counts_by_const_lvalue()));
    select(on_pop(ch, counts_by_lvalue()));
    select(on_pop(
        ch, +[](item v) { told += !v; }));
    select(on_pop(
        ch, +[](item v) noexcept { told += !v; }));
    select(on_pop(ch, std::function<void(item)>(lambda)));
    EXPECT_EQ(told, 8);
    EXPECT_THROW(select(on_pop(ch, [](int) noexcept {})), channel_closed);
    EXPECT_THROW(select(on_pop(ch, [](auto) noexcept {})), channel_closed);
}

TEST(select, close_wakes_it) {
    on_one_and_four_workers([] {
        channel<int> pops;
        channel<int> pushes;
        auto a = spawn([&] { select(on_push(pushes, 1, fails()), on_pop(pops, fails())); });
        auto b = spawn([&] { return select(on_push(pushes, 1, fails()), on_pop(pops, [](std::optional<int>) {})); });
        yield_until_waiting(a);
        yield_until_waiting(b);
        pops.close();
        EXPECT_THROW(a.get(), channel_closed);
        EXPECT_EQ(b.get(), 1u);
        EXPECT_EQ(pushes.try_pop(), std::nullopt);
    });
}

TEST(select, result_of_an_awaitable_is_its_argument_and_its_failure_is_thrown) {
    on_one_and_four_workers([] {
        auto returns = spawn([] { return std::make_unique<int>(3); });
        int got = 0;
        select(on_ready(returns, [&](std::unique_ptr<int> p) { got = *p; }));
        EXPECT_EQ(got, 3);
        select(on_ready([] { return 5; }, [&](int v) { got = v; }));
        EXPECT_EQ(got, 5);
        select(on_ready(spawn([] {}), [&] { got = 6; }));
        EXPECT_EQ(got, 6);
        EXPECT_THROW(select(on_ready([] { throw std::runtime_error("no"); }, fails())), std::runtime_error);
        promise<int> p;
        p.set_value(8);
        auto const shared = p.get_future().share();
        select(on_ready(shared, [&](int const& v) { got = v; }));
        EXPECT_EQ(got, 8);
        EXPECT_EQ(shared.get(), 8);
    });
}

TEST(select, callable_that_was_not_chosen_is_cancelled_and_has_ended) {
    on_one_and_four_workers([] {
        event e;
        bool ended = false;
        std::atomic<int> started{0};
        auto t = spawn([&] {
            EXPECT_EQ(select(on_ready(
                                 [&] {
                                     ++started;
                                     try {
                                         test::sleep_forever();
                                     } catch (cancelled const&) {
                                         yield();
                                         ended = true;
                                         throw;
                                     }
                                 },
                                 fails()),
                             on_ready(e, [&] { EXPECT_TRUE(ended); })),
                      1u);
        });
        yield_until([&] { return started == 1; });
        e.set();
        t.get();
        ended = false;
        auto cancelled_one = spawn([&] {
            select(on_ready(
                [&] {
                    ++started;
                    try {
                        test::sleep_forever();
                    } catch (cancelled const&) {
                        ended = true;
                        throw;
                    }
                },
                fails()));
        });
        yield_until([&] { return started == 2; });
        cancelled_one.cancel();
        EXPECT_THROW(cancelled_one.get(), cancelled);
        EXPECT_TRUE(ended);
    });
}

TEST(select, handle_that_was_not_chosen_runs_on) {
    on_one_and_four_workers([] {
        event go;
        auto t = spawn([&] {
            go.wait();
            return 1;
        });
        EXPECT_EQ(select(on_ready(t, fails()), after(k_a_moment, [] {})), 1u);
        go.set();
        EXPECT_EQ(t.get(), 1);
    });
}

TEST(select, cancelled_one_has_taken_nothing) {
    on_one_and_four_workers([] {
        channel<int> a;
        channel<int> b;
        auto t = spawn([&] { select(on_pop(a, fails()), on_push(b, 1, fails())); });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_FALSE(a.try_push(1));
        EXPECT_EQ(b.try_pop(), std::nullopt);
    });
}

TEST(select, does_not_meet_itself) {
    on_one_and_four_workers([] {
        channel<int> ch;
        EXPECT_EQ(select(on_push(ch, 1, fails()), on_pop(ch, fails()), after(k_a_moment, [] {})), 2u);
        auto t = spawn([&] { return select(on_push(ch, 1, [] {}), on_pop(ch, [](int v) { EXPECT_EQ(v, 2); })); });
        yield_until_waiting(t);
        ch.push(2);
        EXPECT_EQ(t.get(), 1u);
    });
}

TEST(select, two_that_want_to_push_and_pop_find_each_other) {
    on_one_and_four_workers([] {
        channel<int> ab;
        channel<int> ba;
        constexpr int k_rounds = 1000;
        auto body = [](channel<int>& out, channel<int>& in) {
            int balance = 0;
            for (int i = 0; i < k_rounds; ++i) {
                select(on_push(out, i, [&] { ++balance; }), on_pop(in, [&](int) { --balance; }));
            }
            return balance;
        };
        auto other = spawn([&] { return body(ba, ab); });
        int const here = body(ab, ba);
        EXPECT_EQ(here, -other.get());
    });
}

TEST(select, keeps_its_place_in_the_line) {
    on_one_and_four_workers([] {
        channel<int> ch;
        channel<int> other;
        auto first = spawn([&] {
            int got = 0;
            select(on_pop(other, fails()), on_pop(ch, [&](int v) { got = v; }));
            return got;
        });
        yield_until_waiting(first);
        auto second = spawn([&] { return ch.pop(); });
        yield_until_waiting(second);
        ch.push(1);
        ch.push(2);
        EXPECT_EQ(first.get(), 1);
        EXPECT_EQ(second.get(), 2);
    });
}

TEST(select, line_is_free_behind_one_that_was_won_elsewhere) {
    on_one_and_four_workers([] {
        channel<int> a;
        channel<int> b;
        auto first = spawn([&] { return select(on_pop(a, [](int) {}), on_pop(b, fails())); });
        yield_until_waiting(first);
        auto second = spawn([&] { return b.pop(); });
        yield_until_waiting(second);
        a.push(1);
        b.push(2);
        EXPECT_EQ(first.get(), 0u);
        EXPECT_EQ(second.get(), 2);
    });
}

TEST(select, callback_may_wait_and_throw) {
    on_one_and_four_workers([] {
        channel<int> ch(1);
        ch.push(1);
        EXPECT_THROW(select(on_pop(ch,
                                   [](int) {
                                       sleep(k_a_moment);
                                       throw std::runtime_error("of the callback");
                                   })),
                     std::runtime_error);
        EXPECT_EQ(ch.size(), 0u);
    });
}

TEST(select, pending_cancellation_is_thrown_although_something_is_ready) {
    on_one_and_four_workers([] {
        channel<int> ch(1);
        ch.push(1);
        auto t = spawn([&] {
            current_task().cancel();
            EXPECT_EQ(select(on_push(ch, 2, fails()), otherwise([] {})), 1u);  // never waits: no suspension point
            select(on_pop(ch, fails()));
        });
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_EQ(ch.size(), 1u);
    });
}

class pipe_ends {
public:
    pipe_ends() {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        read = ends[0];
        write = ends[1];
    }
    pipe_ends(pipe_ends const&) = delete;
    pipe_ends& operator=(pipe_ends const&) = delete;
    ~pipe_ends() {
        ::close(read);
        ::close(write);
    }
    void put() const { EXPECT_EQ(::write(write, "x", 1), 1); }
    void take() const {
        char c = 0;
        EXPECT_EQ(::read(read, &c, 1), 1);
    }
    int read;
    int write;
};

TEST(select, waits_for_descriptors_of_others) {
    on_one_and_four_workers([] {
        pipe_ends p;
        channel<int> ch;
        EXPECT_EQ(select(on_readable(p.read, fails()), on_writable(p.write, [] {})), 1u);
        EXPECT_EQ(select(on_readable(p.read, fails()), otherwise([] {})), 1u);
        EXPECT_EQ(select(on_readable(p.read, fails()), after(k_a_moment, [] {})), 1u);
        for (int round = 0; round < 50; ++round) {
            auto t = spawn([&] { return select(on_pop(ch, [](int) {}), on_readable(p.read, [] {})); });
            auto same = spawn([&] { return select(on_readable(p.read, [] {})); });
            yield_until_waiting(t);
            yield_until_waiting(same);
            p.put();
            EXPECT_EQ(t.get(), 1u);
            same.get();
            EXPECT_EQ(select(on_readable(p.read, [] {})), 0u);  // by level: it still is
            p.take();
            EXPECT_EQ(ch.try_push(1), false);
        }
        auto t = spawn([&] { return select(on_pop(ch, [](int) {}), on_readable(p.read, fails())); });
        yield_until_waiting(t);
        ch.push(1);
        EXPECT_EQ(t.get(), 0u);
        auto c = spawn([&] { select(on_readable(p.read, fails())); });
        yield_until_waiting(c);
        c.cancel();
        EXPECT_THROW(c.get(), cancelled);
        EXPECT_THROW(select(on_readable(-1, fails())), std::system_error);
    });
}

TEST(select, waits_for_descriptors_on_a_plain_thread) {
    runtime rt(runtime_options{.workers = 2});
    pipe_ends p;
    channel<int> ch;
    EXPECT_EQ(select(on_readable(p.read, fails()), on_pop(ch, fails()), after(k_a_moment, [] {})), 2u);
    auto writer = rt.spawn([&] { p.put(); });
    EXPECT_EQ(select(on_readable(p.read, [] {}), on_pop(ch, fails())), 0u);
    p.take();
    auto pusher = rt.spawn([&] { ch.push(1); });
    EXPECT_EQ(select(on_readable(p.read, fails()), on_pop(ch, [](int) {})), 1u);
    writer.get();
    pusher.get();
}

TEST(select, serves_plain_threads) {
    runtime rt(runtime_options{.workers = 2});
    channel<int> ch;
    channel<int> other;
    auto t = rt.spawn([&] {
        for (int i = 0; i < 300; ++i) {
            i % 3 == 0 ? other.push(i) : ch.push(i);
        }
    });
    for (int i = 0; i < 300; ++i) {
        EXPECT_EQ(select(on_pop(ch, [&](int v) { EXPECT_EQ(v, i); }), on_pop(other, [&](int v) { EXPECT_EQ(v, i); })),
                  i % 3 == 0 ? 1u : 0u);
    }
    EXPECT_EQ(select(on_pop(ch, fails()), after(k_a_moment, [] {})), 1u);
    t.get();
}

}  // namespace
}  // namespace coir
