// SPDX-License-Identifier: BSL-1.0
//
// Queue, PriorityQueue, LifoQueue.

#include "tests/conformance/support.hpp"

#include <atomic>
#include <stdexcept>

namespace coir {
namespace {

using test::settle;

constexpr int k_rounds = 20;

template <class Queue>
std::vector<int> all_items(Queue& q) {
    std::vector<int> items;
    while (auto const item = q.try_get()) {
        items.push_back(*item);
    }
    return items;
}

COIR_CONFORMS(queues, queue_gives_first_in_first_out) {
    queue<int> q;
    for (int const i : {2, 1, 3}) {
        q.put(i);
    }
    EXPECT_EQ(all_items(q), (std::vector<int>{2, 1, 3}));
}

COIR_CONFORMS(queues, priority_queue_gives_the_lowest_first) {
    priority_queue<int> q;
    for (int const i : {2, 1, 3}) {
        q.put(i);
    }
    EXPECT_EQ(all_items(q), (std::vector<int>{1, 2, 3}));
}

COIR_CONFORMS(queues, lifo_queue_gives_last_in_first_out) {
    lifo_queue<int> q;
    for (int const i : {2, 1, 3}) {
        q.put(i);
    }
    EXPECT_EQ(all_items(q), (std::vector<int>{3, 1, 2}));
}

COIR_CONFORMS(queues, queue_without_a_size_is_never_full) {
    queue<int> q;
    EXPECT_EQ(q.max_size(), 0u);
    for (int i = 0; i < 1'000; ++i) {
        EXPECT_TRUE(q.try_put(i));
    }
    EXPECT_FALSE(q.full());
    EXPECT_EQ(q.size(), 1'000u);
}

COIR_CONFORMS(queues, queue_tells_how_full_it_is) {
    queue<int> q(2);
    EXPECT_EQ(q.max_size(), 2u);
    EXPECT_TRUE(q.empty());
    q.put(1);
    EXPECT_FALSE(q.empty());
    EXPECT_FALSE(q.full());
    q.put(2);
    EXPECT_TRUE(q.full());
    EXPECT_EQ(q.size(), 2u);
}

COIR_CONFORMS(queues, put_waits_for_room) {
    queue<int> q(1);
    q.put(1);
    auto putter = spawn([&] { q.put(2); });
    settle();
    EXPECT_FALSE(putter.done());
    EXPECT_EQ(q.size(), 1u);
    EXPECT_EQ(q.get(), 1);
    putter.get();
    EXPECT_EQ(q.get(), 2);
}

COIR_CONFORMS(queues, get_waits_for_an_item) {
    queue<int> q;
    auto getter = spawn([&] { return q.get(); });
    settle();
    EXPECT_FALSE(getter.done());
    q.put(5);
    EXPECT_EQ(getter.get(), 5);
}

COIR_CONFORMS(queues, getters_are_served_in_the_order_of_coming) {
    queue<int> q;
    std::vector<task<int>> getters;
    for (int i = 0; i < 4; ++i) {
        getters.push_back(spawn([&] { return q.get(); }));
        settle();
    }
    for (int i = 0; i < 4; ++i) {
        q.put(i);
    }
    EXPECT_EQ(gather(getters), (std::vector<int>{0, 1, 2, 3}));
}

COIR_CONFORMS(queues, place_of_a_woken_putter) {
    queue<int> q(1);
    q.put(0);
    std::vector<task<void>> putters;
    for (int i = 1; i < 4; ++i) {
        putters.push_back(spawn([&, i] { q.put(i); }));
        settle();
    }
    EXPECT_EQ(q.get(), 0);
    EXPECT_FALSE(q.try_put(9));  // the first putter's item has taken the place
    for (int i = 1; i < 4; ++i) {
        EXPECT_EQ(q.get(), i);
    }
    gather(putters);
}

COIR_CONFORMS(queues, put_that_must_not_wait_fails_on_a_full_queue) {
    queue<int> q(1);
    EXPECT_TRUE(q.try_put(1));
    EXPECT_FALSE(q.try_put(2));
    EXPECT_EQ(all_items(q), std::vector<int>{1});
}

COIR_CONFORMS(queues, get_that_must_not_wait_fails_on_an_empty_queue) {
    queue<int> q;
    EXPECT_FALSE(q.try_get().has_value());
    q.put(1);
    EXPECT_EQ(q.try_get(), 1);
}

COIR_CONFORMS(queues, cancelled_getter_takes_nothing) {
    queue<int> q;
    auto getter = spawn([&] { q.get(); });
    settle();
    getter.cancel();
    EXPECT_THROW(getter.get(), cancelled);
    q.put(5);
    EXPECT_EQ(q.get(), 5);
}

COIR_CONFORMS(queues, item_of_a_getter_that_is_cancelled_when_chosen_is_not_lost) {
    for (int round = 0; round < k_rounds; ++round) {
        queue<int> q;
        auto first = spawn([&] { return q.get(); });
        settle();
        auto canceller = spawn([&] { first.cancel(); });
        q.put(5);
        canceller.get();
        first.wait();
        EXPECT_EQ(first.cancelled() ? q.get() : first.get(), 5);
        EXPECT_TRUE(q.empty());
    }
}

COIR_CONFORMS(queues, getter_that_is_cancelled_when_chosen_passes_its_turn_on) {
    for (int round = 0; round < k_rounds; ++round) {
        queue<int> q;
        auto first = spawn([&] { return q.get(); });
        settle();
        auto second = spawn([&] { return q.get(); });
        settle();
        auto canceller = spawn([&] { first.cancel(); });
        q.put(5);
        canceller.get();
        first.wait();
        if (!first.cancelled()) {
            EXPECT_EQ(first.get(), 5);
            q.put(6);
            EXPECT_EQ(second.get(), 6);
        } else {
            EXPECT_EQ(second.get(), 5);
        }
    }
}

COIR_CONFORMS(queues, cancelled_putter_puts_nothing_and_passes_its_turn_on) {
    queue<int> q(1);
    q.put(0);
    auto first = spawn([&] { q.put(1); });
    settle();
    auto second = spawn([&] { q.put(2); });
    settle();
    first.cancel();
    EXPECT_THROW(first.get(), cancelled);
    EXPECT_EQ(q.get(), 0);
    EXPECT_EQ(q.get(), 2);
    second.get();
    EXPECT_TRUE(q.empty());
}

// --- join --------------------------------------------------------------------------------------------------------------

COIR_CONFORMS(queues, join_waits_until_everything_is_done) {
    queue<int> q;
    q.put(1);
    q.put(2);
    auto joiner = spawn([&] { q.join(); });
    EXPECT_EQ(all_items(q).size(), 2u);
    settle();
    EXPECT_FALSE(joiner.done());  // both were got, neither is done
    q.task_done();
    settle();
    EXPECT_FALSE(joiner.done());
    q.task_done();
    joiner.get();
}

COIR_CONFORMS(queues, join_of_what_was_never_used_returns) {
    queue<int> q;
    q.join();
    EXPECT_TRUE(q.empty());
}

COIR_CONFORMS(queues, task_done_too_often_is_an_error) {
    queue<int> q;
    EXPECT_THROW(q.task_done(), std::logic_error);
    q.put(1);
    q.get();
    q.task_done();
    EXPECT_THROW(q.task_done(), std::logic_error);
}

// --- shutdown ----------------------------------------------------------------------------------------------------------

COIR_CONFORMS(queues, put_after_shutdown_is_an_error) {
    queue<int> q(1);
    q.shutdown();
    EXPECT_TRUE(q.is_shut_down());
    EXPECT_THROW(q.put(1), queue_shut_down);
    EXPECT_THROW(q.try_put(1), queue_shut_down);
}

COIR_CONFORMS(queues, get_after_shutdown_drains_first) {
    queue<int> q;
    q.put(1);
    q.put(2);
    q.shutdown();
    EXPECT_EQ(q.get(), 1);
    EXPECT_EQ(q.try_get(), 2);
    EXPECT_THROW(q.get(), queue_shut_down);
    EXPECT_THROW(q.try_get(), queue_shut_down);
}

COIR_CONFORMS(queues, shutdown_wakes_those_who_wait) {
    queue<int> empty;
    queue<int> full(1);
    full.put(1);
    std::vector<task<void>> waiting;
    for (int i = 0; i < 2; ++i) {
        waiting.push_back(spawn([&] { empty.get(); }));
        waiting.push_back(spawn([&] { full.put(2); }));
    }
    settle();
    empty.shutdown();
    full.shutdown();
    for (auto& t : waiting) {
        EXPECT_THROW(t.get(), queue_shut_down);
    }
    EXPECT_EQ(full.get(), 1);
}

COIR_CONFORMS(queues, immediate_shutdown_throws_the_items_away) {
    queue<int> q;
    q.put(1);
    q.put(2);
    q.shutdown(true);
    EXPECT_TRUE(q.empty());
    EXPECT_THROW(q.get(), queue_shut_down);
}

COIR_CONFORMS(queues, immediate_shutdown_lets_joiners_go) {
    queue<int> q;
    q.put(1);
    q.put(2);
    EXPECT_EQ(q.get(), 1);
    auto joiner = spawn([&] { q.join(); });
    settle();
    q.shutdown(true);
    settle();
    EXPECT_FALSE(joiner.done());  // the first one is still worked on
    q.task_done();
    joiner.get();
}

COIR_CONFORMS(queues, shutdown_that_is_not_immediate_leaves_joiners_waiting) {
    queue<int> q;
    q.put(1);
    auto joiner = spawn([&] { q.join(); });
    q.shutdown();
    settle();
    EXPECT_FALSE(joiner.done());
    EXPECT_EQ(q.get(), 1);
    q.task_done();
    joiner.get();
}

COIR_CONFORMS(queues, queue_may_be_shut_down_again) {
    queue<int> q;
    q.put(1);
    q.shutdown();
    EXPECT_NO_THROW(q.shutdown(true));
    EXPECT_TRUE(q.empty());
}

}  // namespace
}  // namespace coir
