// SPDX-License-Identifier: BSL-1.0
//
// select(), queues and broadcasts under cancellations, time-outs and closing: exactly one case takes effect, and no item is
// lost or doubled.

#include "tests/support/running.hpp"
#include "tests/support/stress.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/task/task.hpp>
#include <coir/sync/broadcast.hpp>
#include <coir/sync/channel.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/priority_queue.hpp>
#include <coir/sync/queue.hpp>
#include <coir/sync/select.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace coir {
namespace {

using choices = test::stress;
using std::chrono::microseconds;

template <class T>
void cancel_some(std::vector<task<T>> const& victims, std::uint64_t seed, std::atomic<bool> const& stop) {
    std::mt19937_64 random(seed);
    while (!stop) {
        victims[random() % victims.size()].cancel();
        sleep(microseconds(random() % 50));
    }
}

// Everybody pushes and pops on two of three channels by select(), some by plain calls, and is cancelled now and then. What
// was pushed is what was popped.
TEST_F(choices, select_loses_and_doubles_no_item) {
    for (int round = 0; round < scaled(8); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        std::vector<std::unique_ptr<channel<int>>> channels;
        for (int i = 0; i < 3; ++i) {
            channels.push_back(std::make_unique<channel<int>>(below(3)));
        }
        constexpr int k_users = 8;
        constexpr int k_each = 300;
        std::vector<std::atomic<int>> pushed(k_users * k_each);
        std::vector<std::atomic<int>> popped(k_users * k_each);
        auto count = [](std::vector<std::atomic<int>>& where, int item) {
            where[static_cast<std::size_t>(item)].fetch_add(1);
        };
        std::vector<task<void>> users;
        for (int u = 0; u < k_users; ++u) {
            users.push_back(rt.spawn([&, u, seed = random()()] {
                std::mt19937_64 local(seed);
                for (int i = u * k_each; i < (u + 1) * k_each; ++i) {
                    auto& out = *channels[local() % 3];
                    auto& in = *channels[local() % 3];
                    auto& third = *channels[local() % 3];
                    auto pop = [&](int v) { count(popped, v); };
                    try {
                        int taken = 0;
                        std::size_t index = 0;
                        switch (local() % 4) {
                        case 0:
                            index = select(on_push(out, i, [&] { count(pushed, i), ++taken; }),
                                           on_pop(in, [&](int v) { pop(v), ++taken; }),
                                           on_pop(third, [&](int v) { pop(v), ++taken; }),
                                           after(microseconds(local() % 60), [&] { ++taken; }));
                            EXPECT_EQ(taken, 1);
                            EXPECT_LE(index, 3u);
                            break;
                        case 1:
                            select(on_pop(in, pop), on_push(out, i, [&] { count(pushed, i); }), on_pop(third, pop));
                            break;
                        case 2:
                            if (out.push_for(i, microseconds(local() % 60)) == channel_status::success) {
                                count(pushed, i);
                            }
                            break;
                        default:
                            if (int v = 0; in.pop_for(microseconds(local() % 60), v) == channel_status::success) {
                                pop(v);
                            }
                        }
                    } catch (cancelled const&) {
                    }
                }
            }));
        }
        std::atomic<bool> stop{false};
        auto canceller = rt.spawn([&, seed = random()()] { cancel_some(users, seed, stop); });
        for (auto const& u : users) {
            u.wait();
        }
        stop = true;
        canceller.wait();
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
    for (int round = 0; round < scaled(8); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        channel<int> a;
        channel<int> b;
        constexpr int k_pairs = 4;
        constexpr int k_each = 300;
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
    for (int round = 0; round < scaled(400); ++round) {
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

TEST_F(choices, threads_and_tasks_select_together) {
    for (int round = 0; round < scaled(5); ++round) {
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

TEST_F(choices, queue_loses_and_doubles_no_item_and_join_sees_all_done) {
    for (int round = 0; round < scaled(8); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        priority_queue<int> q(1 + below(4));
        constexpr int k_putters = 4;
        constexpr int k_each = 300;
        std::vector<std::atomic<int>> put(k_putters * k_each);
        std::vector<std::atomic<int>> got(k_putters * k_each);
        std::vector<task<void>> putters;
        for (int p = 0; p < k_putters; ++p) {
            putters.push_back(rt.spawn([&, p, seed = random()()] {
                std::mt19937_64 local(seed);
                for (int i = p * k_each; i < (p + 1) * k_each; ++i) {
                    try {
                        if (local() % 2 == 0 ? (q.put(i), true) : q.try_put_for(int(i), microseconds(local() % 60))) {
                            put[static_cast<std::size_t>(i)].fetch_add(1);
                        }
                    } catch (cancelled const&) {
                    }
                }
            }));
        }
        std::atomic<int> started{0};  // one that is cancelled before never runs
        std::vector<task<void>> getters;
        for (int g = 0; g < 3; ++g) {
            getters.push_back(rt.spawn([&, seed = random()()] {
                started.fetch_add(1);
                std::mt19937_64 local(seed);
                for (;;) {
                    try {
                        std::optional<int> item;
                        local() % 2 == 0 ? void(item = q.get())
                                         : void(item = q.try_get_for(microseconds(local() % 60)));
                        if (item) {
                            got[static_cast<std::size_t>(*item)].fetch_add(1);
                            q.task_done();
                        }
                    } catch (cancelled const&) {
                    } catch (queue_shut_down const&) {
                        return;
                    }
                }
            }));
        }
        test::yield_until([&] { return started == 3; });
        std::atomic<bool> stop{false};
        auto cancels_putters = rt.spawn([&, seed = random()()] { cancel_some(putters, seed, stop); });
        auto cancels_getters = rt.spawn([&, seed = random()()] { cancel_some(getters, seed, stop); });
        for (auto const& p : putters) {
            p.wait();
        }
        q.join();
        EXPECT_TRUE(q.empty());
        q.shutdown();
        for (auto const& g : getters) {
            g.wait();
        }
        stop = true;
        cancels_putters.wait();
        cancels_getters.wait();
        for (std::size_t i = 0; i < put.size(); ++i) {
            ASSERT_EQ(put[i], got[i]) << "item " << i;
            ASSERT_LE(got[i], 1);
        }
    }
}

TEST_F(choices, broadcast_receivers_account_for_every_value) {
    for (int round = 0; round < scaled(10); ++round) {
        runtime rt(runtime_options{.workers = workers()});
        constexpr std::uint64_t k_values = 1000;
        broadcast<std::uint64_t> b(4 + below(20));
        std::vector<task<void>> readers;
        std::atomic<int> started{0};  // one that is cancelled before never runs
        for (int i = 0; i < 6; ++i) {
            readers.push_back(rt.spawn([&, r = b.subscribe(), seed = random()()]() mutable {
                started.fetch_add(1);
                std::mt19937_64 local(seed);
                std::uint64_t expected = 0;
                for (;;) {
                    try {
                        std::uint64_t value = 0;
                        auto const status = r.pop_for(microseconds(local() % 60), value);
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
        test::yield_until([&] { return started == 6; });
        std::atomic<bool> stop{false};
        auto canceller = rt.spawn([&, seed = random()()] { cancel_some(readers, seed, stop); });
        for (std::uint64_t i = 0; i < k_values; ++i) {
            b.push(i);
        }
        b.close();
        for (auto const& r : readers) {
            r.wait();
        }
        stop = true;
        canceller.wait();
    }
}

}  // namespace
}  // namespace coir
