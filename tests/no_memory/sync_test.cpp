// SPDX-License-Identifier: BSL-1.0
//
// What waits and what is handed over, without memory: see scarcity.hpp.

#include "tests/no_memory/scarcity.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace coir {
namespace {

using namespace std::chrono_literals;

// A large one, which takes a block of a queue for itself; without its text it has been moved from.
struct item {
    int number = 0;
    std::string text;
    std::array<char, 500> rest{};
    friend bool operator<(item const& a, item const& b) { return a.number < b.number; }
};

// Whose moves may throw, as far as a queue knows.
struct reluctant_item : item {
    reluctant_item(int n, std::string t) : item{n, std::move(t)} {}
    reluctant_item(reluctant_item&& other) noexcept(false) : item(std::move(other)) {}
    reluctant_item& operator=(reluctant_item&&) = delete;
};

constexpr int k_items = 30;

template <class Queue, class Put, class Take>
void expect_that_it_takes_all_or_nothing_of_each(Put put, Take take) {
    std::optional<Queue> queue;
    using value = typename Queue::value_type;
    std::vector<value> items;
    int accepted = 0;
    auto const renew = [&] {
        items.clear();
        for (int i = 0; i < k_items; ++i) {
            items.push_back(value{i, std::string(50, 'x')});
        }
    };
    renew();
    with_each_allocation_refused(
        [&] {
            queue.emplace();
            for (; accepted < k_items; ++accepted) {
                put(*queue, items[static_cast<std::size_t>(accepted)]);
            }
        },
        [&](bool) {
            for (int i = 0; i < k_items; ++i) {
                EXPECT_EQ(items[static_cast<std::size_t>(i)].text.empty(), i < accepted);
            }
            int numbers = 0;
            for (int i = 0; i < accepted; ++i) {
                value const taken = take(*queue);
                EXPECT_FALSE(taken.text.empty());
                numbers += taken.number;
            }
            EXPECT_EQ(numbers, accepted * (accepted - 1) / 2);
            accepted = 0;
            queue.reset();
            renew();
        });
}

struct wide_channel : channel<item> {
    wide_channel() : channel<item>(k_items) {}
};

TEST(no_memory, what_a_queue_did_not_take_is_still_with_its_owner) {
    run(runtime_options{.workers = 1}, [] {
        expect_that_it_takes_all_or_nothing_of_each<wide_channel>([](auto& q, auto& i) { q.push(std::move(i)); },
                                                                  [](auto& q) { return *q.pop(); });
        auto const put = [](auto& q, auto& i) { q.put(std::move(i)); };
        auto const take = [](auto& q) { return q.get(); };
        expect_that_it_takes_all_or_nothing_of_each<queue<item>>(put, take);
        expect_that_it_takes_all_or_nothing_of_each<lifo_queue<item>>(put, take);
        expect_that_it_takes_all_or_nothing_of_each<priority_queue<item>>(put, take);
        expect_that_it_takes_all_or_nothing_of_each<queue<reluctant_item>>(put, take);
        expect_that_it_takes_all_or_nothing_of_each<lifo_queue<reluctant_item>>(put, take);
        expect_that_it_takes_all_or_nothing_of_each<priority_queue<reluctant_item>>(put, take);
    });
}

// Whoever is let in by a pop has his item put into the queue for him, for which there may be no memory.
TEST(no_memory, a_pusher_that_cannot_be_let_in_is_told_and_the_next_one_comes) {
    run(runtime_options{.workers = 1}, [] {
        channel<item> line(16);  // more than what a std::deque keeps room for
        for (int i = 0; i < 16; ++i) {
            line.push({i, "x"});
        }
        int refused = 0;
        std::vector<task<int>> pushers;
        for (int i = 16; i < 20; ++i) {
            pushers.push_back(spawn([&, i] {
                item mine{i, "x"};
                try {
                    line.push(std::move(mine));
                    return 1;
                } catch (std::bad_alloc const&) {
                    EXPECT_EQ(mine.text, "x");
                    ++refused;
                    return 0;
                }
            }));
        }
        yield();
        std::optional<item> first;
        {
            scarcity const nothing;
            first = line.pop();
            yield();
        }
        EXPECT_EQ(first->number, 0);
        int popped = 1;
        int pushed = 0;
        while (popped < 16 + 4 - refused) {
            EXPECT_TRUE(line.pop());
            ++popped;
        }
        pushed = take_sum(pushers);
        EXPECT_EQ(pushed + refused, 4);
        EXPECT_FALSE(line.try_pop());
    });
}

TEST(no_memory, a_queue_is_shut_down_for_all_who_wait_or_for_nobody) {
    run(runtime_options{.workers = 1}, [] {
        std::optional<queue<int>> line;
        std::vector<task<int>> waiters;
        auto const renew = [&] {
            line.emplace(1u).put(1);
            waiters.push_back(spawn([&] {
                try {
                    line->put(2);
                    return 0;
                } catch (queue_shut_down const&) {
                    return 1;
                }
            }));
            waiters.push_back(spawn([&] {
                line->join();
                return 1;
            }));
            yield();
        };
        renew();
        with_each_allocation_refused([&] { line->shutdown(true); },
                                     [&](bool done) {
                                         EXPECT_EQ(line->is_shut_down(), done);
                                         EXPECT_EQ(line->empty(), done);
                                         if (!done) {
                                             line->shutdown(true);
                                         }
                                         EXPECT_EQ(take_sum(waiters), 2);
                                         renew();
                                     });
        line->shutdown(true);
        EXPECT_EQ(take_sum(waiters), 2);
    });
}

TEST(no_memory, values_for_many_are_published_or_not) {
    run(runtime_options{.workers = 1}, [] {
        watch<std::string> state("old");
        auto reader = state.subscribe();
        std::size_t length = 3;
        with_each_allocation_refused([&] { state.set(std::string(50 + length, 'n')); },
                                     [&](bool done) {
                                         length += done ? 50 : 0;
                                         EXPECT_EQ(reader.get().size(), length);
                                     });
    });
}

TEST(no_memory, a_receiver_is_told_of_every_gap) {
    broadcast<int> news(2);
    auto reader = news.subscribe();
    std::uint64_t told = 0;
    auto const take = [&] {
        try {
            reader.try_pop();
        } catch (receiver_lagged const& lag) {
            told += lag.missed();
        }
    };
    auto const push_five = [&] {
        for (int i = 0; i < 5; ++i) {
            news.push(i);
        }
    };
    push_five();
    with_each_allocation_refused(take, [&](bool done) {
        if (!done) {
            take();
        }
        EXPECT_EQ(std::exchange(told, 0), 3u);
        EXPECT_EQ(reader.try_pop(), 3);
        EXPECT_EQ(reader.try_pop(), 4);
        push_five();
    });
}

// Nor does a thread's first wait, of whatever kind.
TEST(no_memory, threads_can_wait_without) {
    event gate;
    latch done(1);
    mutex lock;
    semaphore permits(0);
    promise<int> value;
    auto result = value.get_future().share();
    lock.lock();
    std::atomic<int> waited{0};
    std::vector<std::function<void()>> const waits{[&] { gate.wait(); }, [&] { done.wait(); },
                                                   [&] { permits.acquire(); }, [&] { std::lock_guard l(lock); },
                                                   [&] { static_cast<void>(result.get()); }};
    std::vector<std::thread> threads;
    event all_there;
    for (auto const& wait : waits) {
        threads.emplace_back([&] {
            all_there.wait();
            wait();
            ++waited;
        });
    }
    {
        scarcity const nothing;
        all_there.set();
        gate.set();
        done.count_down();
        permits.release();
        lock.unlock();
        value.set_value(1);
        while (waited < static_cast<int>(waits.size())) {
            std::this_thread::yield();
        }
        EXPECT_EQ(scarcity::refused(), 0);
    }
    for (auto& t : threads) {
        t.join();
    }
}

TEST(no_memory, every_job_runs_or_its_caller_hears_of_it) {
    std::atomic<int> ran{0};
    int accepted = 0;
    int told = 0;
    auto const job = [&ran] {
        ++ran;
        return item{1, "x"};  // a result that does not fit the record
    };
    with_each_allocation_refused<std::system_error>(
        [&] {
            std::array<future<item>, 10> results;
            thread_pool_executor pool({.max_workers = 2, .thread_name_prefix = "a prefix that is too long"});
            for (auto& r : results) {
                r = pool.submit(job);
                ++accepted;
            }
            for (auto& r : results) {
                try {
                    told += r.get().number;
                } catch (std::exception const&) {
                    ++told;
                }
            }
        },
        [&](bool done) {
            EXPECT_TRUE(!done || told == 10);
            EXPECT_LE(ran, accepted);
            EXPECT_LE(told, accepted);
            ran = accepted = told = 0;
        });
    // A pool that is given up.
    with_each_allocation_refused(
        [&] {
            std::atomic<int> held{0};
            thread_pool_executor pool({.max_workers = 1});
            struct at_end {
                std::atomic<int>& held;
                ~at_end() {
                    held = 1;
                    held.notify_all();
                }
            };
            at_end const let_go{held};
            auto first = pool.submit([&held] { held.wait(0); });
            auto second = pool.submit(job);
            held = 1;
            held.notify_all();
            pool.shutdown({.cancel_pending = true});
            EXPECT_TRUE(first.done() && second.done());
        },
        [&](bool) { ran = 0; });
    // One whose threads cannot be made ready.
    with_each_allocation_refused(
        [&] {
            thread_pool_executor pool({.max_workers = 1, .initializer = [] { throw 1; }});
            auto first = pool.submit(job);
            first.wait();
            EXPECT_TRUE(first.exception() != nullptr);
        },
        [&](bool) { EXPECT_EQ(ran, 0); });
}

TEST(no_memory, the_default_executor_is_made_or_not) {
    run(runtime_options{.workers = 1}, [] {
        int ran = 0;
        with_each_allocation_refused<std::system_error>(
            [&] { EXPECT_EQ(to_thread([&] { return ++ran; }), 1); },
            [&](bool done) { EXPECT_TRUE(std::exchange(ran, 0) == 1 || !done); });
    });
}

}  // namespace
}  // namespace coir
