// SPDX-License-Identifier: BSL-1.0
//
// select(), queues and broadcasts under cancellations, time-outs and closing: exactly one case takes effect, and no item is
// lost or doubled.

#include "tests/support/racing.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/task/task.hpp>
#include <coir/sync/broadcast.hpp>
#include <coir/sync/channel.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/lifo_queue.hpp>
#include <coir/sync/priority_queue.hpp>
#include <coir/sync/queue.hpp>
#include <coir/sync/select.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace coir {
namespace {

using choices = test::stress;
using std::chrono::microseconds;
using test::a_blink;

// Everybody pushes and pops on two of three channels by select(), some by plain calls, and is cancelled now and then. What
// was pushed is what was popped.
TEST_F(choices, select_loses_and_doubles_no_item) {
    while (another_round({.plain = 4, .sanitized = 66})) {
        runtime rt(runtime_options{.workers = workers()});
        std::vector<std::unique_ptr<channel<int>>> channels;
        for (int i = 0; i < 3; ++i) {
            channels.push_back(std::make_unique<channel<int>>(below(3)));
        }
        constexpr int k_users = 8;
        constexpr int k_each = 1'500;
        std::vector<std::atomic<int>> pushed(k_users * k_each);
        std::vector<std::atomic<int>> popped(k_users * k_each);
        auto count = [](std::vector<std::atomic<int>>& where, int item) {
            where[static_cast<std::size_t>(item)].fetch_add(1);
        };
        std::atomic<int> next{0};
        auto const users = test::repeating(rt, k_users, k_each, random(), [&](std::mt19937_64& local) {
            int const i = next.fetch_add(1);
            auto& out = *channels[local() % 3];
            auto& in = *channels[local() % 3];
            auto& third = *channels[local() % 3];
            auto pop = [&](int v) { count(popped, v); };
            int taken = 0;
            std::size_t index = 0;
            switch (local() % 4) {
            case 0:
                index = select(on_push(out, i, [&] { count(pushed, i), ++taken; }),
                               on_pop(in, [&](int v) { pop(v), ++taken; }),
                               on_pop(third, [&](int v) { pop(v), ++taken; }), after(a_blink(local), [&] { ++taken; }));
                EXPECT_EQ(taken, 1);
                EXPECT_LE(index, 3u);
                break;
            case 1:
                select(on_pop(in, pop), on_push(out, i, [&] { count(pushed, i); }), on_pop(third, pop));
                break;
            case 2:
                if (out.push_for(i, a_blink(local)) == channel_status::success) {
                    count(pushed, i);
                }
                break;
            default:
                if (int v = 0; in.pop_for(a_blink(local), v) == channel_status::success) {
                    pop(v);
                }
            }
        });
        test::cancel_until_all_end(rt, users, random()());
        for (auto& ch : channels) {
            while (auto const item = ch->try_pop()) {
                count(popped, *item);
            }
        }
        for (std::size_t i = 0; i < pushed.size(); ++i) {
            ASSERT_EQ(pushed[i], popped[i]) << "item " << i;
            ASSERT_LE(popped[i], 1);
        }
    }
}

// Tasks that only push or pop by select() on both of two channels: an even number of partners, so that all come through.
TEST_F(choices, selects_on_both_ends_find_each_other) {
    while (another_round({.plain = 4, .sanitized = 66}, 8 * 1'500)) {
        runtime rt(runtime_options{.workers = workers()});
        channel<int> a;
        channel<int> b;
        constexpr int k_pairs = 4;
        constexpr int k_each = 1'500;
        std::atomic<int> pushes{0};
        std::atomic<int> pops{0};
        std::vector<task<void>> users;
        for (int u = 0; u < k_pairs; ++u) {
            users.push_back(rt.spawn([&] {
                for (int i = 0; i < k_each; ++i) {
                    select(on_push(a, i, [&] { pushes.fetch_add(1); }), on_push(b, i, [&] { pushes.fetch_add(1); }));
                }
            }));
            users.push_back(rt.spawn([&] {
                for (int i = 0; i < k_each; ++i) {
                    select(on_pop(b, [&](int) { pops.fetch_add(1); }), on_pop(a, [&](int) { pops.fetch_add(1); }));
                }
            }));
        }
        for (auto& u : users) {
            u.get();
        }
        EXPECT_EQ(pushes, k_pairs * k_each);
        EXPECT_EQ(pops, k_pairs * k_each);
    }
}

TEST_F(choices, select_on_events_and_futures_takes_one) {
    runtime rt(runtime_options{.workers = workers()});
    while (another_round(400, 1)) {
        event e;
        promise<int> p;
        auto f = p.get_future();
        channel<int> ch(1);
        auto chooser = rt.spawn([&, limit = microseconds(below(40))] {
            int taken = 0;
            std::size_t const index =
                select(on_ready(e, [&] { ++taken; }),
                       on_ready(f,
                                [&](int v) {
                                    EXPECT_EQ(v, 7);
                                    ++taken;
                                }),
                       on_pop(ch, [&](int) { ++taken; }), on_ready([] { yield(); }, [&] { ++taken; }),
                       after(limit, [&] { ++taken; }));
            EXPECT_EQ(taken, 1);
            return index;
        });
        auto a = rt.spawn([&] { e.set(); });
        auto b = rt.spawn([&] { p.set_value(7); });
        auto c = rt.spawn([&] { ch.push(1); });
        bool const cancels = below(3) == 0;
        if (cancels) {
            chooser.cancel();
        }
        chooser.wait();
        a.wait();
        b.wait();
        c.wait();
        bool const popped = !chooser.cancelled() && chooser.get() == 2;
        EXPECT_EQ(ch.size(), popped ? 0u : 1u);
        if (chooser.cancelled()) {
            EXPECT_EQ(f.get(), 7);
        }
    }
}

// Two ends of a pipe: what a write made readable is read once by one of those who choose, whatever else ends their wait.
TEST_F(choices, select_on_descriptors_reads_every_byte_once) {
    while (another_round(5)) {
        runtime rt(runtime_options{.workers = workers()});
        int ends[2] = {-1, -1};
        ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        constexpr int k_bytes = 300;
        std::atomic<int> bytes{0};
        auto const read_one = [&] {
            char byte = 0;
            bytes.fetch_add(static_cast<int>(std::max<::ssize_t>(0, ::read(ends[0], &byte, 1))));
        };
        auto const readers = test::running(rt, 3, random(), [&](std::mt19937_64& local) {
            select(on_readable(ends[0], read_one), after(a_blink(local), [] {}));
            return bytes < k_bytes;
        });
        auto const writers = test::running(rt, 1, random(), [&, left = k_bytes](std::mt19937_64& local) mutable {
            select(on_writable(ends[1], [&] { left -= ::write(ends[1], "x", 1) == 1; }));
            test::perhaps_yield(local);
            return left != 0;
        });
        {
            test::cancels const some_readers(rt, readers, random()());
            test::cancels const some_writers(rt, writers, random()());
            test::wait_for_all(writers);
            test::wait_for_all(readers);
        }
        EXPECT_EQ(bytes, k_bytes);
        ::close(ends[0]);
        ::close(ends[1]);
    }
}

TEST_F(choices, threads_and_tasks_select_together) {
    while (another_round(5, 4 * 500)) {
        runtime rt(runtime_options{.workers = workers()});
        channel<int> a(below(2));
        channel<int> b(below(2));
        constexpr int k_each = 500;
        std::atomic<int> sum{0};
        auto pops = [&] {
            for (int i = 0; i < k_each; ++i) {
                select(on_pop(a, [&](int v) { sum.fetch_add(v); }), on_pop(b, [&](int v) { sum.fetch_add(v); }));
            }
        };
        auto pushes = [&] {
            for (int i = 0; i < k_each; ++i) {
                select(on_push(b, i, [] {}), on_push(a, i, [] {}));
            }
        };
        std::thread in_thread(pops);
        auto first = rt.spawn(pushes);
        auto second = rt.spawn(pops);
        pushes();
        in_thread.join();
        first.get();
        second.get();
        EXPECT_EQ(sum, k_each * (k_each - 1));
    }
}

class item_queues : public choices {
protected:
    // Whatever the order of its items: what was put is what was got, and join() sees all of it done.
    template <class Queue>
    void loses_and_doubles_no_item() {
        runtime rt(runtime_options{.workers = workers()});
        Queue q(1 + below(4));
        constexpr int k_putters = 4;
        constexpr int k_each = 300;
        std::vector<std::atomic<int>> put(k_putters * k_each);
        std::vector<std::atomic<int>> got(k_putters * k_each);
        std::atomic<int> next{0};
        auto const putters = test::repeating(rt, k_putters, k_each, random(), [&](std::mt19937_64& local) {
            int const i = next.fetch_add(1);
            if (local() % 2 == 0 ? (q.put(i), true) : q.try_put_for(int(i), a_blink(local))) {
                put[static_cast<std::size_t>(i)].fetch_add(1);
            }
        });
        auto const getters = test::running(rt, 3, random(), [&](std::mt19937_64& local) {
            try {
                std::optional<int> item;
                local() % 2 == 0 ? void(item = q.get()) : void(item = q.try_get_for(a_blink(local)));
                if (item) {
                    got[static_cast<std::size_t>(*item)].fetch_add(1);
                    q.task_done();
                }
                return true;
            } catch (queue_shut_down const&) {
                return false;
            }
        });
        std::atomic<bool> all_put{false};
        auto const joiners = test::running(rt, 2, random(), [&](std::mt19937_64& local) {
            bool const last = all_put;
            bool const joined = local() % 2 == 0 ? q.join_for(a_blink(local)) : (q.join(), true);
            EXPECT_TRUE(!joined || !last || q.empty());
            yield();
            return !joined || !last;
        });
        {
            test::cancels const some_getters(rt, getters, random()());
            test::cancels const some_joiners(rt, joiners, random()());
            test::cancel_until_all_end(rt, putters, random()());
            all_put = true;
            q.join();
            EXPECT_TRUE(q.empty());
            test::wait_for_all(joiners);
            q.shutdown();
            test::wait_for_all(getters);
        }
        for (std::size_t i = 0; i < put.size(); ++i) {
            ASSERT_EQ(put[i], got[i]) << "item " << i;
            ASSERT_LE(got[i], 1);
        }
    }
};

TEST_F(item_queues, lose_and_double_no_item_and_join_sees_all_done) {
    while (another_round(4)) {
        loses_and_doubles_no_item<queue<int>>();
        loses_and_doubles_no_item<lifo_queue<int>>();
        loses_and_doubles_no_item<priority_queue<int>>();
    }
}

TEST_F(choices, broadcast_receivers_account_for_every_value) {
    while (another_round(10, 1'000)) {
        runtime rt(runtime_options{.workers = workers()});
        constexpr std::uint64_t k_values = 1000;
        auto b = std::make_unique<broadcast<std::uint64_t>>(4 + below(20));
        std::vector<task<void>> readers;
        std::atomic<int> started{0};  // one that is cancelled before never runs
        for (int i = 0; i < 6; ++i) {
            readers.push_back(rt.spawn([&, r = b->subscribe(), seed = random()()]() mutable {
                started.fetch_add(1);
                std::mt19937_64 local(seed);
                std::uint64_t expected = 0;
                for (;;) {
                    try {
                        std::uint64_t value = 0;
                        auto const status = r.pop_for(a_blink(local), value);
                        if (status == channel_status::closed) {
                            break;
                        }
                        if (status == channel_status::success) {
                            EXPECT_EQ(value, expected++);
                        }
                    } catch (receiver_lagged const& lag) {
                        expected += lag.missed();
                    } catch (cancelled const&) {
                    }
                }
                EXPECT_EQ(expected, k_values);
            }));
        }
        std::vector<task<void>> passers_by;  // which take one value at most, and go
        test::yield_until([&] { return started == 6; });
        test::cancels const some(rt, readers, random()());
        for (std::uint64_t i = 0; i < k_values; ++i) {
            if (i % 20 == 0) {
                passers_by.push_back(rt.spawn([i, r = b->subscribe(), limit = a_blink(random())]() mutable {
                    std::uint64_t value = i;
                    try {
                        r.pop_for(limit, value);
                        EXPECT_EQ(value, i);
                    } catch (receiver_lagged const& lag) {
                        EXPECT_GE(lag.missed(), 1u);
                    }
                }));
            }
            b->push(i);
        }
        b.reset();  // as close(), while they wait
        test::wait_for_all(readers);
        test::wait_for_all(passers_by);
    }
}

}  // namespace
}  // namespace coir
