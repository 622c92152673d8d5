// SPDX-License-Identifier: BSL-1.0
//
// What the workers stand on, without any task: the deque, the injector, and who sleeps and is woken. Plain threads play the
// workers, many operations a thread. Whatever is lost hangs or is counted.

#include "core/park/parker.hpp"
#include "core/queue/deque.hpp"
#include "core/queue/injector.hpp"

#include "tests/support/sleeping_workers.hpp"
#include "tests/support/stress.hpp"

#include <coir/core/base/back_off.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <latch>
#include <limits>
#include <random>
#include <thread>
#include <vector>

namespace coir::detail {
namespace {

using queues = test::stress;
using parking = test::stress;

/// Calls f(0) to f(count - 1), each on a thread of its own, and all at once.
void on_threads(std::size_t count, std::function<void(std::size_t)> const& f) {
    std::latch start(static_cast<std::ptrdiff_t>(count));
    std::vector<std::thread> threads;
    for (std::size_t self = 0; self < count; ++self) {
        threads.emplace_back([&, self] {
            start.arrive_and_wait();
            f(self);
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
}

struct item {
    item* queue_next = nullptr;
    std::size_t payload = 0;    // plain: handed over by the queue
    std::size_t producer = 0;   // the same
    std::atomic<int> taken{0};  // in all rounds
};

int not_taken_once(std::vector<item> const& items, int rounds) {
    int wrong = 0;
    for (auto const& each : items) {
        wrong += each.taken.load() != rounds;
    }
    return wrong;
}

// The owner works at both ends, in bursts that make the deque grow from two slots and the indices wrap; all the others steal,
// one or half of what is there.
TEST_F(queues, deque_hands_out_each_item_once_whoever_takes_it) {
    few_faults();
    constexpr std::size_t k_items = 200'000;
    std::vector<item> items(k_items);
    while (another_round({.plain = 4, .sanitized = 50, .seconds = 60}, k_items)) {
        deque<item> queue({.capacity = 2,
                           .first_index = std::numeric_limits<std::int64_t>::max() -
                                          static_cast<std::int64_t>(below(2 * static_cast<unsigned>(k_items)))});
        std::atomic<bool> finished{false};
        std::atomic<int> wrong_payloads{0};
        std::uint64_t const seed = random()();
        auto const salt = static_cast<std::size_t>(round_number());
        auto const take = [&](item* one) {
            if (one->payload != static_cast<std::size_t>(one - items.data()) + salt) {
                wrong_payloads.fetch_add(1, std::memory_order_relaxed);
            }
            one->taken.fetch_add(1, std::memory_order_relaxed);
        };
        auto const own = [&] {
            std::minstd_rand local(static_cast<unsigned>(seed));
            auto const owner = queue.owner();
            for (std::size_t next = 0; next < k_items;) {
                std::size_t const burst = local() % 64 == 0 ? 1'000 : local() % 8;
                for (std::size_t i = 0; i < burst && next < k_items; ++i, ++next) {
                    items[next].payload = next + salt;
                    owner.push(&items[next]);
                }
                for (std::size_t i = local() % 10; i > 0; --i) {
                    if (item* const one = i % 2 == 0 ? owner.take_front() : owner.take_back()) {
                        take(one);
                    }
                }
            }
            finished.store(true, std::memory_order_release);
            while (item* const one = owner.take_back()) {
                take(one);
            }
        };
        auto const steal = [&](std::size_t self) {
            std::minstd_rand local(static_cast<unsigned>(seed + self));
            deque<item> loot({.capacity = 1});
            back_off wait;
            for (;;) {
                // Read before looking: what was pushed before the end is then found.
                bool const last = finished.load(std::memory_order_acquire);
                auto const stolen =
                    local() % 2 == 0 ? queue.thief().steal_half(loot.owner(), 1 + local() % 64) : queue.thief().steal();
                if (stolen.status == steal_status::item) {
                    wait = {};
                    take(stolen.item);
                    while (item* const moved = loot.owner().take_front()) {
                        take(moved);
                    }
                } else if (stolen.status == steal_status::none) {
                    if (last) {
                        return;
                    }
                    wait.pause();
                }
            }
        };
        on_threads(workers(), [&](std::size_t self) { self == 0 ? own() : steal(self); });
        EXPECT_EQ(wrong_payloads, 0);
        EXPECT_EQ(not_taken_once(items, round_number()), 0);
        EXPECT_TRUE(queue.owner().empty());
    }
}

// Half of the threads push, one by one or in chains, the others take, one by one or in batches. A consumer sees what one
// producer has pushed in order.
TEST_F(queues, injector_hands_out_each_item_once_and_in_order) {
    constexpr std::size_t k_items = 200'000;
    std::vector<item> items(k_items);
    while (another_round({.plain = 4, .sanitized = 50, .seconds = 60}, k_items)) {
        injector<item> queue;
        std::size_t const threads = workers();
        std::size_t const producers = 1 + below(static_cast<unsigned>(threads) - 1);
        std::uint64_t const seed = random()();
        std::atomic<std::size_t> left{k_items};
        std::atomic<int> out_of_order{0};
        auto const produce = [&](std::size_t self) {
            std::minstd_rand local(static_cast<unsigned>(seed + self));
            std::size_t const end = k_items * (self + 1) / producers;
            for (std::size_t next = k_items * self / producers; next < end;) {
                std::size_t const first = next;
                std::size_t const chain = std::min<std::size_t>(1 + local() % 16, end - first);
                for (; next < first + chain; ++next) {
                    items[next].payload = next;
                    items[next].producer = self;
                    items[next].queue_next = &items[std::min(next + 1, k_items - 1)];
                }
                if (chain == 1) {
                    queue.push(&items[first]);
                } else {
                    queue.push_batch(&items[first], &items[next - 1], chain);
                }
            }
        };
        auto const consume = [&](std::size_t self) {
            std::minstd_rand local(static_cast<unsigned>(seed + self));
            std::vector<std::size_t> next(producers, 0);
            auto const take = [&](item* one) {
                if (one->payload < next[one->producer]) {
                    out_of_order.fetch_add(1, std::memory_order_relaxed);
                }
                next[one->producer] = one->payload + 1;
                one->taken.fetch_add(1, std::memory_order_relaxed);
            };
            for (back_off wait; left.load(std::memory_order_relaxed) != 0;) {
                std::size_t taken = 0;
                if (local() % 2 == 0) {
                    taken = queue.pop_batch(1 + local() % 32, take);
                } else if (item* const one = queue.pop()) {
                    take(one);
                    taken = 1;
                }
                if (taken == 0) {
                    wait.pause();
                } else {
                    wait = {};
                    left.fetch_sub(taken, std::memory_order_relaxed);
                }
            }
        };
        on_threads(threads, [&](std::size_t self) { self < producers ? produce(self) : consume(self); });
        EXPECT_EQ(out_of_order, 0);
        EXPECT_EQ(not_taken_once(items, round_number()), 0);
        EXPECT_TRUE(queue.empty());
    }
}

// Messages go from thread to thread at random, and whoever has none parks, with or without a deadline. Where there is one
// message only, a lost wake-up is the end of all.
TEST_F(parking, message_wakes_whoever_it_is_for) {
    constexpr std::uint64_t k_wakes = 50'000;
    struct mailbox {
        thread_parker parker;
        std::atomic<std::uint32_t> messages{0};
    };
    while (another_round({.plain = 6, .sanitized = 200, .seconds = 60}, k_wakes)) {
        std::vector<mailbox> boxes(workers());
        std::uint64_t const seed = random()();
        std::atomic<std::uint64_t> wakes{0};
        std::atomic<bool> finished{false};
        // Few messages are a switch of threads each: one round in sixteen.
        std::uint32_t const messages = below(16) == 0 ? 1 + below(2) : static_cast<std::uint32_t>(boxes.size()) * 16;
        boxes[0].messages = messages;
        auto const pass_on = [&](std::size_t self) {
            std::minstd_rand local(static_cast<unsigned>(seed + self));
            while (!finished.load(std::memory_order_relaxed)) {
                std::uint32_t mine = boxes[self].messages.exchange(0, std::memory_order_relaxed);
                if (mine == 0) {
                    if (local() % 4 != 0) {
                        boxes[self].parker.park();
                    } else {
                        static_cast<void>(boxes[self].parker.park_until(std::chrono::steady_clock::now() +
                                                                        std::chrono::microseconds(local() % 100)));
                    }
                    continue;
                }
                while (mine != 0) {
                    auto const some = static_cast<std::uint32_t>(1 + local() % std::min<std::uint32_t>(mine, 4));
                    mine -= some;
                    mailbox& to = boxes[local() % boxes.size()];
                    to.messages.fetch_add(some, std::memory_order_relaxed);
                    to.parker.unpark();
                    if (wakes.fetch_add(1, std::memory_order_relaxed) + 1 == k_wakes) {
                        finished.store(true, std::memory_order_relaxed);
                        for (mailbox& each : boxes) {
                            each.parker.unpark();
                        }
                    }
                }
            }
        };
        on_threads(boxes.size(), pass_on);
        std::uint64_t rest = 0;
        for (mailbox const& each : boxes) {
            rest += each.messages;
        }
        EXPECT_EQ(rest, messages);
    }
}

struct parking_job {
    parking_job* queue_next = nullptr;
    parking_job* child = nullptr;  // pushed by whoever runs this one
    std::atomic<int>* left = nullptr;
    thread_parker* done = nullptr;
    int ran = 0;
};

// A producer pushes a burst and waits until it has run, so that the workers fall asleep time and again.
TEST_F(parking, what_is_pushed_runs_though_all_may_sleep) {
    few_faults();
    constexpr int k_jobs = 50'000;
    while (another_round({.plain = 6, .sanitized = 200, .seconds = 60}, k_jobs)) {
        std::size_t const count = workers();
        std::size_t const producers = 1 + below(2);
        std::uint64_t const seed = random()();
        // How many a burst may have: a few keep the workers going to sleep, many keep them from it.
        unsigned const most = below(8) == 0 ? 4 : 1'000;
        test::sleeping_workers<parking_job> all(count, 8);
        std::atomic<std::size_t> producing{producers};
        auto const produce = [&](std::size_t self) {
            std::minstd_rand local(static_cast<unsigned>(seed + self));
            std::vector<parking_job> jobs(most);
            thread_parker done;
            for (int left = k_jobs / static_cast<int>(producers); left > 0;) {
                std::size_t const burst = 1 + local() % most;
                std::atomic<int> not_run{static_cast<int>(burst)};
                // The second half are children of the first.
                std::size_t const parents = burst - burst / 2;
                for (std::size_t i = 0; i < burst; ++i) {
                    jobs[i] = {i + 1 < parents ? &jobs[i + 1] : nullptr,
                               parents + i < burst ? &jobs[parents + i] : nullptr, &not_run, &done, 0};
                }
                all.push_from_outside(jobs[0], jobs[parents - 1], parents);
                done.park();
                int wrong = not_run != 0;
                for (std::size_t i = 0; i < burst; ++i) {
                    wrong += jobs[i].ran != 1;
                }
                ASSERT_EQ(wrong, 0);
                left -= static_cast<int>(burst);
            }
        };
        auto const work = [&](std::size_t self) {
            all.work(self, [&](parking_job& one) {
                if (one.child != nullptr) {
                    all.push(self, *one.child);
                }
                ++one.ran;
                auto* const done = one.done;
                if (one.left->fetch_sub(1, std::memory_order_acq_rel) == 1) {
                    done->unpark();
                }
            });
        };
        on_threads(count + producers, [&](std::size_t self) {
            if (self < count) {
                work(self);
                return;
            }
            produce(self - count);
            if (producing.fetch_sub(1) == 1) {
                all.stop();
            }
        });
        EXPECT_EQ(all.asleep(), 0u);
    }
}

}  // namespace
}  // namespace coir::detail
