// SPDX-License-Identifier: BSL-1.0
#include "core/queue/injector.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

struct item {
    std::size_t producer = 0;
    std::size_t number = 0;
    item* queue_next = nullptr;
};

using queue_of_items = coir::detail::injector<item>;
using numbers = std::vector<std::size_t>;

std::vector<item> numbered(std::size_t count) {
    std::vector<item> items(count);
    for (std::size_t i = 0; i < count; ++i) {
        items[i].number = i;
    }
    return items;
}

numbers pop_all(queue_of_items& queue) {
    numbers popped;
    while (item const* const one = queue.pop()) {
        popped.push_back(one->number);
    }
    return popped;
}

TEST(injector, hands_out_in_the_order_of_pushing) {
    auto items = numbered(3);
    queue_of_items queue;
    EXPECT_EQ(queue.pop(), nullptr);
    for (auto& each : items) {
        queue.push(&each);
    }
    EXPECT_EQ(queue.size(), 3u);
    EXPECT_EQ(pop_all(queue), (numbers{0, 1, 2}));
    EXPECT_TRUE(queue.empty());
    queue.push(&items[2]);
    EXPECT_EQ(pop_all(queue), numbers{2});
}

TEST(injector, appends_a_batch_in_its_order) {
    auto items = numbered(5);
    queue_of_items queue;
    queue.push(&items[0]);
    items[1].queue_next = &items[2];
    items[2].queue_next = &items[3];
    items[3].queue_next = &items[4];  // stale: not part of the batch
    queue.push_batch(&items[1], &items[3], 3);
    queue.push(&items[4]);
    EXPECT_EQ(queue.size(), 5u);
    EXPECT_EQ(pop_all(queue), (numbers{0, 1, 2, 3, 4}));
}

TEST(injector, takes_a_batch_of_at_most_so_many) {
    auto items = numbered(5);
    queue_of_items queue;
    for (auto& each : items) {
        queue.push(&each);
    }
    numbers taken;
    auto const sink = [&](item* one) { taken.push_back(one->number); };
    EXPECT_EQ(queue.pop_batch(0, sink), 0u);
    EXPECT_EQ(queue.pop_batch(2, sink), 2u);
    EXPECT_EQ(taken, (numbers{0, 1}));
    EXPECT_EQ(queue.size(), 3u);
    EXPECT_EQ(queue.pop_batch(100, sink), 3u);
    EXPECT_EQ(taken, (numbers{0, 1, 2, 3, 4}));
    EXPECT_EQ(queue.pop_batch(100, sink), 0u);
}

TEST(injector, sink_may_push_what_it_was_given_back) {
    auto items = numbered(3);
    queue_of_items queue;
    for (auto& each : items) {
        queue.push(&each);
    }
    EXPECT_EQ(queue.pop_batch(3, [&](item* one) { queue.push(one); }), 3u);
    EXPECT_EQ(pop_all(queue), (numbers{0, 1, 2}));
}

TEST(injector, sink_that_throws_leaves_what_it_did_not_take_at_the_front) {
    for (std::size_t const behind : {std::size_t{0}, std::size_t{1}}) {
        auto items = numbered(5);
        queue_of_items queue;
        for (std::size_t i = 0; i < 4 + behind; ++i) {
            queue.push(&items[i]);
        }
        numbers taken;
        auto const sink = [&](item* one) {
            if (one->number == 2) {
                throw std::runtime_error("no room");
            }
            taken.push_back(one->number);
        };
        EXPECT_THROW(queue.pop_batch(4, sink), std::runtime_error);
        EXPECT_EQ(taken, (numbers{0, 1}));
        EXPECT_EQ(queue.size(), 2 + behind);
        EXPECT_EQ(queue.pop()->number, 2u);
        EXPECT_EQ(queue.pop()->number, 3u);
        EXPECT_EQ(pop_all(queue), behind == 0 ? numbers{} : numbers{4});
        queue.push(&items[0]);
        EXPECT_EQ(pop_all(queue), numbers{0});
    }
}

TEST(injector, links_through_the_member_it_is_told) {
    struct other {
        other* elsewhere = nullptr;
    };
    other one;
    coir::detail::injector<other, &other::elsewhere> queue;
    queue.push(&one);
    EXPECT_EQ(queue.pop(), &one);
}

TEST(injector_stress, everything_pushed_is_popped_once_and_each_producers_order_is_kept) {
    constexpr std::size_t k_producers = 3;
    constexpr std::size_t k_items = 30'000;
    std::vector<std::vector<item>> items(k_producers, numbered(k_items));
    queue_of_items queue;
    std::latch start(k_producers + 2);

    std::vector<std::thread> threads;
    for (std::size_t producer = 0; producer < k_producers; ++producer) {
        threads.emplace_back([&, producer] {
            auto& mine = items[producer];
            start.arrive_and_wait();
            for (std::size_t i = 0; i < k_items; i += 3) {
                mine[i].producer = mine[i + 1].producer = mine[i + 2].producer = producer;
                queue.push(&mine[i]);
                mine[i + 1].queue_next = &mine[i + 2];
                queue.push_batch(&mine[i + 1], &mine[i + 2], 2);
            }
        });
    }

    std::atomic<std::size_t> popped{0};
    std::atomic<std::size_t> out_of_order{0};
    for (bool const in_batches : {false, true}) {
        threads.emplace_back([&, in_batches] {
            numbers next(k_producers, 0);
            auto const take = [&](item* one) {
                // Some numbers go to the other consumer, none comes twice or late.
                if (one->number < next[one->producer]) {
                    out_of_order.fetch_add(1, std::memory_order_relaxed);
                }
                next[one->producer] = one->number + 1;
                popped.fetch_add(1, std::memory_order_relaxed);
            };
            start.arrive_and_wait();
            while (popped.load(std::memory_order_relaxed) < k_producers * k_items) {
                if (in_batches) {
                    queue.pop_batch(7, take);
                } else if (item* const one = queue.pop()) {
                    take(one);
                }
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(popped.load(), k_producers * k_items);
    EXPECT_EQ(out_of_order.load(), 0u);
    EXPECT_TRUE(queue.empty());
}

}  // namespace
