// SPDX-License-Identifier: BSL-1.0
#include "core/queue/deque.hpp"

#include <coir/core/base/config.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <latch>
#include <limits>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

// Clang's ThreadSanitizer brings its own operator new and allows no other one.
#if !COIR_TSAN

namespace {

// While set, there is no memory for arrays: for the rings of a deque.
std::atomic<bool> no_memory_for_arrays{false};

}  // namespace

void* operator new[](std::size_t size) {
    void* const memory = no_memory_for_arrays.load(std::memory_order_relaxed) ? nullptr : std::malloc(size);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}

#endif

namespace {

using coir::detail::deque;
using coir::detail::deque_options;
using coir::detail::deque_owner;
using coir::detail::steal_status;

using numbers = std::vector<int>;

class items_of_a_deque : public ::testing::Test {
protected:
    static constexpr std::size_t k_count = 1000;

    items_of_a_deque() {
        for (std::size_t i = 0; i < k_count; ++i) {
            items_[i] = static_cast<int>(i);
        }
    }

    void push(deque_owner<int> owner, int first, int last) {
        for (int i = first; i < last; ++i) {
            owner.push(&items_[static_cast<std::size_t>(i)]);
        }
    }

    static numbers take_all_from_front(deque_owner<int> owner) {
        numbers taken;
        while (int const* const item = owner.take_front()) {
            taken.push_back(*item);
        }
        return taken;
    }

    static numbers take_all_from_back(deque_owner<int> owner) {
        numbers taken;
        while (int const* const item = owner.take_back()) {
            taken.push_back(*item);
        }
        return taken;
    }

    static numbers range(int first, int last) {
        numbers result;
        for (int i = first; i < last; ++i) {
            result.push_back(i);
        }
        return result;
    }

    static numbers backwards(int last, int first) {
        numbers result;
        for (int i = last; i-- > first;) {
            result.push_back(i);
        }
        return result;
    }

    std::vector<int> items_ = std::vector<int>(k_count);
};

class deque_of_ints : public items_of_a_deque, public ::testing::WithParamInterface<bool> {
protected:
    static deque_options small() { return {.shared = GetParam(), .capacity = 2, .first_index = 0}; }
};

TEST_P(deque_of_ints, hands_out_at_the_front_in_the_order_of_pushing) {
    deque<int> queue(small());
    push(queue.owner(), 0, 10);
    EXPECT_EQ(take_all_from_front(queue.owner()), range(0, 10));
}

TEST_P(deque_of_ints, hands_out_at_the_back_the_newest_first) {
    deque<int> queue(small());
    push(queue.owner(), 0, 10);
    EXPECT_EQ(take_all_from_back(queue.owner()), backwards(10, 0));
}

TEST_P(deque_of_ints, finds_nothing_in_a_virgin_queue) {
    for (std::int64_t const first : {std::int64_t{0}, std::int64_t{1}, std::numeric_limits<std::int64_t>::min(),
                                     std::numeric_limits<std::int64_t>::max()}) {
        deque<int> queue({.shared = GetParam(), .capacity = 2, .first_index = first});
        EXPECT_EQ(queue.owner().take_back(), nullptr);
        EXPECT_EQ(queue.owner().take_front(), nullptr);
        EXPECT_EQ(queue.owner().peek_back(), nullptr);
        EXPECT_EQ(queue.owner().size(), 0u);
        EXPECT_TRUE(queue.owner().empty());
        EXPECT_TRUE(queue.thief().empty());
        push(queue.owner(), 7, 8);
        EXPECT_EQ(take_all_from_back(queue.owner()), numbers{7});
        EXPECT_EQ(queue.owner().take_back(), nullptr);
        push(queue.owner(), 8, 9);
        EXPECT_EQ(take_all_from_front(queue.owner()), numbers{8});
    }
}

TEST_P(deque_of_ints, is_usable_after_it_ran_empty) {
    deque<int> queue(small());
    for (int round = 0; round < 10; ++round) {
        push(queue.owner(), round, round + 1);
        EXPECT_EQ(take_all_from_back(queue.owner()), numbers{round});
        push(queue.owner(), round, round + 2);
        EXPECT_EQ(take_all_from_front(queue.owner()), range(round, round + 2));
        EXPECT_TRUE(queue.owner().empty());
    }
}

TEST_P(deque_of_ints, keeps_its_items_in_order_while_it_grows) {
    deque<int> queue(small());
    // The front moves too, so that the copied items do not start at slot 0.
    push(queue.owner(), 0, 5);
    EXPECT_EQ(*queue.owner().take_front(), 0);
    EXPECT_EQ(*queue.owner().take_front(), 1);
    push(queue.owner(), 5, 1000);
    EXPECT_EQ(queue.owner().size(), 998u);
    EXPECT_EQ(take_all_from_front(queue.owner()), range(2, 1000));
}

TEST_P(deque_of_ints, indices_may_wrap) {
    for (std::int64_t const before : {0, 1, 2, 5, 8}) {
        deque<int> queue(
            {.shared = GetParam(), .capacity = 4, .first_index = std::numeric_limits<std::int64_t>::max() - before});
        push(queue.owner(), 0, 3);
        EXPECT_EQ(*queue.owner().take_front(), 0);
        push(queue.owner(), 3, 20);  // grows on, or next to, the edge
        EXPECT_EQ(queue.owner().size(), 19u);
        EXPECT_EQ(queue.thief().size(), 19u);
        EXPECT_EQ(*queue.owner().take_back(), 19);
        EXPECT_EQ(*queue.owner().peek_back(), 18);
        if (GetParam()) {
            EXPECT_EQ(*queue.thief().steal().item, 1);
        } else {
            EXPECT_EQ(*queue.owner().take_front(), 1);
        }
        EXPECT_EQ(take_all_from_front(queue.owner()), range(2, 19));
        EXPECT_EQ(queue.owner().take_back(), nullptr);
    }
}

TEST_P(deque_of_ints, peek_leaves_the_newest_where_it_is) {
    deque<int> queue(small());
    push(queue.owner(), 0, 3);
    EXPECT_EQ(*queue.owner().peek_back(), 2);
    EXPECT_EQ(queue.owner().size(), 3u);
    EXPECT_EQ(*queue.owner().take_back(), 2);
    EXPECT_EQ(*queue.owner().peek_back(), 1);
}

// What only a deque without thieves can do: take an item out of the middle.
class lone_deque : public items_of_a_deque {
protected:
    void push_all(int first, int last) {
        for (int i = first; i < last; ++i) {
            places_.push_back(owner().next_place());
            push(owner(), i, i + 1);
        }
    }
    bool take_out(int item) {
        auto const i = static_cast<std::size_t>(item);
        return owner().take_out(&items_[i], places_[i]);
    }
    deque_owner<int> owner() { return queue_.owner(); }

    // It grows, and its indices wrap.
    deque<int> queue_{{.shared = false, .capacity = 2, .first_index = std::numeric_limits<std::int64_t>::max() - 3}};
    std::vector<std::int64_t> places_;
};

TEST_F(lone_deque, gives_items_out_of_the_middle) {
    push_all(0, 10);
    for (int const item : {3, 5, 4, 8}) {
        EXPECT_TRUE(take_out(item));
        EXPECT_FALSE(take_out(item));
    }
    EXPECT_EQ(take_all_from_front(owner()), (numbers{0, 1, 2, 6, 7, 9}));
    EXPECT_TRUE(owner().empty());
    EXPECT_FALSE(take_out(6));
}

TEST_F(lone_deque, is_empty_when_the_last_item_has_been_taken_out) {
    int next = 0;
    for (auto const& order : {numbers{0, 1, 2, 3}, numbers{3, 2, 1, 0}, numbers{1, 2, 0, 3}, numbers{2, 1, 3, 0}}) {
        push_all(next, next + 4);
        for (int const item : order) {
            EXPECT_FALSE(owner().empty());
            EXPECT_TRUE(take_out(next + item));
        }
        EXPECT_TRUE(owner().empty());
        EXPECT_EQ(owner().take_front(), nullptr);
        EXPECT_EQ(owner().take_back(), nullptr);
        next += 4;
    }
}

TEST_F(lone_deque, takes_what_is_left_at_either_end) {
    push_all(0, 6);
    EXPECT_TRUE(take_out(1));
    EXPECT_TRUE(take_out(4));
    EXPECT_EQ(*owner().take_back(), 5);
    EXPECT_EQ(*owner().peek_back(), 3);
    EXPECT_EQ(*owner().take_front(), 0);
    EXPECT_EQ(*owner().take_front(), 2);
    EXPECT_EQ(*owner().take_back(), 3);
    EXPECT_TRUE(owner().empty());
}

TEST_F(lone_deque, gives_nothing_that_stands_elsewhere_by_now) {
    push_all(0, 3);
    owner().push(owner().take_front());
    EXPECT_FALSE(take_out(0));
    EXPECT_TRUE(take_out(1));
    EXPECT_EQ(take_all_from_front(owner()), (numbers{2, 0}));
}

TEST_F(lone_deque, needs_no_room_for_what_was_taken_out) {
    push_all(0, 2);
    for (int i = 2; i < 900; i += 3) {
        push_all(i, i + 3);
        EXPECT_TRUE(take_out(i));
        EXPECT_TRUE(take_out(i + 1));
        EXPECT_TRUE(take_out(i + 2));
        EXPECT_EQ(owner().size(), 2u);
    }
    EXPECT_EQ(take_all_from_front(owner()), range(0, 2));
}

TEST_P(deque_of_ints, reserve_makes_room_for_the_items_that_are_there_and_those_to_come) {
    deque<int> queue(small());
    push(queue.owner(), 0, 2);
    queue.owner().reserve(100);
    push(queue.owner(), 2, 102);
    EXPECT_EQ(take_all_from_front(queue.owner()), range(0, 102));
}

#if !COIR_TSAN

TEST_P(deque_of_ints, push_without_memory_throws_and_changes_nothing) {
    deque<int> queue(small());
    push(queue.owner(), 0, 9);
    EXPECT_EQ(*queue.owner().take_front(), 0);
    push(queue.owner(), 9, 17);  // 16 items: full
    no_memory_for_arrays = true;
    EXPECT_THROW(push(queue.owner(), 17, 18), std::bad_alloc);
    EXPECT_THROW(queue.owner().reserve(1), std::bad_alloc);
    EXPECT_EQ(queue.owner().size(), 16u);
    EXPECT_EQ(*queue.owner().take_front(), 1);
    push(queue.owner(), 17, 18);  // room again, without growing
    no_memory_for_arrays = false;
    push(queue.owner(), 18, 19);
    EXPECT_EQ(take_all_from_front(queue.owner()), range(2, 19));
}

TEST_P(deque_of_ints, reserved_room_needs_no_memory_any_more) {
    deque<int> queue(small());
    push(queue.owner(), 0, 2);
    queue.owner().reserve(100);
    no_memory_for_arrays = true;
    EXPECT_NO_THROW(push(queue.owner(), 2, 102));
    no_memory_for_arrays = false;
    EXPECT_EQ(take_all_from_front(queue.owner()), range(0, 102));
}

#endif

INSTANTIATE_TEST_SUITE_P(deque, deque_of_ints, ::testing::Bool(),
                         [](auto const& instance) { return instance.param ? "shared" : "unshared"; });

TEST(deque_thief, steals_the_oldest) {
    int items[3] = {0, 1, 2};
    deque<int> queue;
    for (int& item : items) {
        queue.owner().push(&item);
    }
    auto const first = queue.thief().steal();
    EXPECT_EQ(first.status, steal_status::item);
    EXPECT_EQ(first.item, &items[0]);
    EXPECT_EQ(queue.owner().take_front(), &items[1]);
    EXPECT_EQ(queue.thief().steal().item, &items[2]);
    EXPECT_EQ(queue.thief().steal().status, steal_status::none);
    EXPECT_EQ(queue.thief().steal().item, nullptr);
}

#if !COIR_TSAN

TEST(deque_thief, steals_nothing_without_memory_for_its_loot) {
    int items[8] = {};
    deque<int> queue;
    for (int& item : items) {
        queue.owner().push(&item);
    }
    deque<int> own({.shared = true, .capacity = 2, .first_index = 0});
    no_memory_for_arrays = true;
    EXPECT_THROW((void)queue.thief().steal_half(own.owner(), 8), std::bad_alloc);
    no_memory_for_arrays = false;
    EXPECT_EQ(queue.owner().size(), 8u);
    EXPECT_TRUE(own.owner().empty());
}

#endif

struct half_case {
    std::size_t present;
    std::size_t max;
    std::size_t taken;
};

class deque_steal_half : public ::testing::TestWithParam<half_case> {};

TEST_P(deque_steal_half, takes_half_rounded_up_in_order_and_returns_the_oldest) {
    auto const [present, max, taken] = GetParam();
    std::vector<int> items(present);
    deque<int> queue;
    for (int& item : items) {
        queue.owner().push(&item);
    }
    deque<int> own({.shared = true, .capacity = 1, .first_index = 0});
    auto const stolen = queue.thief().steal_half(own.owner(), max);
    if (taken == 0) {
        EXPECT_EQ(stolen.status, steal_status::none);
        EXPECT_EQ(stolen.item, nullptr);
    } else {
        EXPECT_EQ(stolen.status, steal_status::item);
        EXPECT_EQ(stolen.item, items.data());
        EXPECT_EQ(stolen.moved, taken - 1);
    }
    for (std::size_t i = 1; i < taken; ++i) {
        EXPECT_EQ(own.owner().take_front(), &items[i]);
    }
    EXPECT_TRUE(own.owner().empty());
    EXPECT_EQ(queue.owner().size(), present - taken);
}

INSTANTIATE_TEST_SUITE_P(deque, deque_steal_half,
                         ::testing::Values(half_case{0, 10, 0}, half_case{1, 10, 1}, half_case{2, 10, 1},
                                           half_case{3, 10, 2}, half_case{9, 10, 5}, half_case{100, 10, 10},
                                           half_case{100, 1, 1}, half_case{100, 0, 0}));

// Every item is taken by exactly one of an owner that works at both ends and three thieves, while the deque grows from
// two slots; the payload is written without synchronisation of its own.
TEST(deque_stress, everything_pushed_is_taken_once_under_three_thieves) {
    struct item {
        std::size_t payload = 0;
        std::atomic<int> taken{0};
    };
    constexpr std::size_t k_items = 1'000'000;
    constexpr std::size_t k_thieves = 3;
    unsigned const seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));

    std::vector<item> items(k_items);
    deque<item> queue({.shared = true, .capacity = 2, .first_index = std::numeric_limits<std::int64_t>::max() - 1000});
    std::atomic<bool> finished{false};
    std::atomic<std::size_t> wrong_payloads{0};
    std::latch start(k_thieves + 1);

    auto const take = [&](item* taken) {
        std::size_t const place = static_cast<std::size_t>(taken - items.data());
        if (taken->payload != place + 1) {
            wrong_payloads.fetch_add(1, std::memory_order_relaxed);
        }
        taken->taken.fetch_add(1, std::memory_order_relaxed);
    };

    std::vector<std::thread> thieves;
    for (std::size_t thief = 0; thief < k_thieves; ++thief) {
        thieves.emplace_back([&, thief] {
            deque<item> own({.shared = true, .capacity = 1, .first_index = 0});
            start.arrive_and_wait();
            for (;;) {
                // Read before looking: what was pushed before the end is then found.
                bool const last_round = finished.load(std::memory_order_acquire);
                auto const stolen = thief == 0 ? queue.thief().steal_half(own.owner(), 16) : queue.thief().steal();
                if (stolen.status == steal_status::item) {
                    take(stolen.item);
                    while (item* const moved = own.owner().take_front()) {
                        take(moved);
                    }
                } else if (stolen.status == steal_status::none && last_round) {
                    return;
                }
            }
        });
    }

    std::minstd_rand random(seed);
    start.arrive_and_wait();
    for (std::size_t next = 0; next < k_items;) {
        // Bursts, so that the deque grows; then a few takes, often down to the last item.
        std::size_t const burst = random() % 64 == 0 ? 1000 : random() % 4;
        for (std::size_t i = 0; i < burst && next < k_items; ++i, ++next) {
            items[next].payload = next + 1;
            queue.owner().push(&items[next]);
        }
        for (std::size_t i = random() % 6; i > 0; --i) {
            if (item* const own = i % 2 == 0 ? queue.owner().take_front() : queue.owner().take_back()) {
                take(own);
            }
        }
    }
    finished.store(true, std::memory_order_release);
    while (item* const rest = queue.owner().take_back()) {
        take(rest);
    }
    for (auto& thief : thieves) {
        thief.join();
    }

    EXPECT_EQ(wrong_payloads.load(), 0u);
    std::size_t not_once = 0;
    for (auto const& each : items) {
        not_once += each.taken.load() == 1 ? 0 : 1;
    }
    EXPECT_EQ(not_once, 0u);
    EXPECT_TRUE(queue.owner().empty());
}

// Two items at a time, so that the owner, who takes the newest without a CAS as long as it is not the last, and a thief
// on its way to that very item meet all the time.
TEST(deque_stress, owner_and_thief_never_share_the_newest_item) {
    constexpr int k_rounds = 1'000'000;
    struct item {
        std::atomic<int> taken{0};
    };
    item items[2];
    deque<item> queue;
    std::atomic<bool> finished{false};
    std::latch start(2);
    std::thread thief([&] {
        start.arrive_and_wait();
        while (!finished.load(std::memory_order_relaxed)) {
            auto const stolen = queue.thief().steal();
            if (stolen.status == steal_status::item) {
                stolen.item->taken.fetch_add(1, std::memory_order_relaxed);
            }
        }
    });
    start.arrive_and_wait();
    long long taken_twice = 0;
    for (int round = 0; round < k_rounds; ++round) {
        queue.owner().push(&items[0]);
        queue.owner().push(&items[1]);
        while (item* const own = queue.owner().take_back()) {
            own->taken.fetch_add(1, std::memory_order_relaxed);
        }
        for (item& each : items) {
            // What the thief has taken from the deque, it will count in a moment.
            int taken = 0;
            while ((taken = each.taken.load(std::memory_order_relaxed)) == 0) {
                std::this_thread::yield();
            }
            taken_twice += taken - 1;
            each.taken.fetch_sub(taken, std::memory_order_relaxed);
        }
    }
    finished.store(true, std::memory_order_relaxed);
    thief.join();
    for (item const& each : items) {
        taken_twice += each.taken.load();
    }
    EXPECT_EQ(taken_twice, 0);
}

}  // namespace
