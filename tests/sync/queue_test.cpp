// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/queue.hpp>

#include "tests/support/running.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/task/task.hpp>
#include <coir/sync/lifo_queue.hpp>
#include <coir/sync/priority_queue.hpp>

#include <algorithm>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace coir {
namespace {

using test::k_a_moment;
using test::k_long_time;
using test::on_one_and_four_workers;
using test::yield_until_waiting;

template <class Queue>
std::vector<typename Queue::value_type> drained(Queue& q) {
    std::vector<typename Queue::value_type> items;
    while (auto item = q.try_get()) {
        items.push_back(std::move(*item));
    }
    return items;
}

TEST(queue, each_kind_has_its_order) {
    queue<int> fifo;
    lifo_queue<int> lifo;
    priority_queue<int> smallest;
    for (int const i : {3, 1, 4, 1, 5, 9, 2, 6}) {
        fifo.put(i);
        lifo.put(i);
        smallest.put(i);
    }
    EXPECT_EQ(drained(fifo), (std::vector{3, 1, 4, 1, 5, 9, 2, 6}));
    EXPECT_EQ(drained(lifo), (std::vector{6, 2, 9, 5, 1, 4, 1, 3}));
    EXPECT_EQ(drained(smallest), (std::vector{1, 1, 2, 3, 4, 5, 6, 9}));
}

TEST(queue, equal_priorities_keep_the_order_of_putting) {
    struct job {
        int priority;
        int number;
        bool operator<(job const& other) const { return priority < other.priority; }
    };
    std::mt19937 random(7);
    priority_queue<job> q;
    std::vector<job> expected;
    for (int i = 0; i < 500; ++i) {
        job const j{static_cast<int>(random() % 5), i};
        q.put(j);
        expected.push_back(j);
        if (i % 7 == 6) {
            auto const first = std::min_element(expected.begin(), expected.end());
            EXPECT_EQ(q.get().number, first->number);
            expected.erase(first);
        }
    }
    std::stable_sort(expected.begin(), expected.end());
    for (job const& e : expected) {
        EXPECT_EQ(q.get().number, e.number);
    }
}

TEST(queue, comparison_that_throws_costs_no_item) {
    struct fussy {
        bool* refuses;
        int value;
        bool operator<(fussy const& other) const {
            if (*refuses) {
                throw std::runtime_error("incomparable");
            }
            return value < other.value;
        }
    };
    bool refuses = false;
    priority_queue<fussy> q;
    for (int const i : {5, 2, 8, 1}) {
        q.put({&refuses, i});
    }
    refuses = true;
    EXPECT_THROW(q.put({&refuses, 0}), std::runtime_error);
    EXPECT_THROW(q.get(), std::runtime_error);
    refuses = false;
    std::vector<int> values;
    for (fussy const& item : drained(q)) {
        values.push_back(item.value);
    }
    EXPECT_EQ(values, (std::vector{1, 2, 5, 8}));
}

// Moves as often as it is told to, and then throws, unmoved.
int moves_left = -1;

template <bool Copyable>
struct reluctant {
    explicit reluctant(int v) : value(v) {}
    reluctant(reluctant&& other) : value(taken_from(other)) {}
    reluctant(reluctant const& other) requires Copyable : value((may_move(), other.value)) {}
    reluctant& operator=(reluctant&& other) {
        value = taken_from(other);
        return *this;
    }
    bool operator<(reluctant const& other) const { return value < other.value; }

    int value;

private:
    static void may_move() {
        if (moves_left == 0) {
            throw std::runtime_error("it stays");
        }
        --moves_left;
    }
    static int taken_from(reluctant& other) {
        may_move();
        return std::exchange(other.value, 0);
    }
};

template <class Queue>
void expect_that_no_item_is_lost_when_a_move_throws() {
    using item = typename Queue::value_type;
    for (int const size : {1, 2, 4, 7, 8}) {
        for (bool const puts : {true, false}) {
            bool done = false;
            for (int moves = 0; !done; ++moves) {
                Queue fresh;
                Queue q;
                std::vector<int> expected;
                for (int i = 1; i <= size; ++i) {
                    int const value = i * 5 % 9;
                    q.put(item(value));
                    fresh.put(item(value));
                }
                item added(9);
                moves_left = moves;
                try {
                    if (puts) {
                        q.put(std::move(added));
                    } else {
                        static_cast<void>(q.try_get());
                    }
                    done = true;
                } catch (std::runtime_error const&) {
                    done = false;
                }
                moves_left = -1;
                if (done && puts) {
                    fresh.put(item(9));
                } else if (done) {
                    fresh.get();
                } else {
                    EXPECT_EQ(added.value, 9);
                }
                while (auto const each = fresh.try_get()) {
                    expected.push_back(each->value);
                }
                std::vector<int> values;
                while (auto const each = q.try_get()) {
                    values.push_back(each->value);
                }
                EXPECT_EQ(values, expected) << size << " items, move " << moves << (puts ? " of put" : " of get");
                ASSERT_LT(moves, 100);
            }
        }
    }
}

TEST(queue, move_that_throws_costs_no_item) {
    expect_that_no_item_is_lost_when_a_move_throws<queue<reluctant<true>>>();
    expect_that_no_item_is_lost_when_a_move_throws<queue<reluctant<false>>>();
    expect_that_no_item_is_lost_when_a_move_throws<lifo_queue<reluctant<true>>>();
    expect_that_no_item_is_lost_when_a_move_throws<lifo_queue<reluctant<false>>>();
    expect_that_no_item_is_lost_when_a_move_throws<priority_queue<reluctant<true>>>();
    expect_that_no_item_is_lost_when_a_move_throws<priority_queue<reluctant<false>>>();
}

TEST(queue, priority_queue_takes_another_order_and_what_only_moves) {
    priority_queue<std::pair<int, std::string>, std::greater<>> q;
    q.put({1, "a"});
    q.put({2, "b"});
    EXPECT_EQ(q.get().second, "b");
    priority_queue<std::unique_ptr<int>> movable;
    movable.put(std::make_unique<int>(1));
    EXPECT_EQ(*movable.get(), 1);
}

TEST(queue, says_how_full_it_is) {
    queue<int> q(2);
    EXPECT_TRUE(q.empty());
    EXPECT_FALSE(q.full());
    q.put(1);
    EXPECT_TRUE(q.try_put(2));
    EXPECT_EQ(q.size(), 2u);
    EXPECT_TRUE(q.full());
    EXPECT_FALSE(q.try_put(3));
    EXPECT_EQ(q.max_size(), 2u);
    queue<int> unbounded;
    EXPECT_FALSE(unbounded.full());
    for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(unbounded.try_put(i));
    }
    EXPECT_FALSE(unbounded.full());
}

TEST(queue, put_waits_for_room_and_get_for_an_item) {
    on_one_and_four_workers([] {
        queue<int> q(1);
        auto getter = spawn([&] { return q.get(); });
        yield_until_waiting(getter);
        q.put(1);
        EXPECT_EQ(getter.get(), 1);
        q.put(2);
        auto putter = spawn([&] { q.put(3); });
        yield_until_waiting(putter);
        EXPECT_EQ(q.size(), 1u);
        EXPECT_EQ(q.get(), 2);
        putter.get();
        EXPECT_EQ(q.get(), 3);
    });
}

TEST(queue, item_of_a_waiting_putter_takes_its_place_in_the_order) {
    on_one_and_four_workers([] {
        priority_queue<int> q(2);
        q.put(5);
        q.put(6);
        auto putter = spawn([&] { q.put(1); });
        yield_until_waiting(putter);
        EXPECT_EQ(q.get(), 5);
        putter.get();
        EXPECT_EQ(q.get(), 1);
        EXPECT_EQ(q.get(), 6);
    });
}

TEST(queue, bounded_put_and_get_leave_things_as_they_are_when_they_time_out) {
    on_one_and_four_workers([] {
        queue<std::unique_ptr<int>> q(1);
        EXPECT_EQ(q.try_get_for(k_a_moment), std::nullopt);
        auto first = std::make_unique<int>(1);
        auto second = std::make_unique<int>(2);
        EXPECT_TRUE(q.try_put_for(std::move(first), k_long_time));
        EXPECT_FALSE(q.try_put_for(std::move(second), k_a_moment));
        EXPECT_FALSE(q.try_put(std::move(second)));
        ASSERT_NE(second, nullptr);  // NOLINT(bugprone-use-after-move): that is the question
        auto const got = q.try_get_for(k_long_time);
        ASSERT_TRUE(got);
        EXPECT_EQ(**got, 1);
    });
}

TEST(queue, join_waits_until_everything_is_done) {
    on_one_and_four_workers([] {
        queue<int> q;
        q.join();
        q.put(1);
        q.put(2);
        auto joiner = spawn([&] { q.join(); });
        yield_until_waiting(joiner);
        EXPECT_FALSE(q.join_for(k_a_moment));
        q.get();
        q.get();
        q.task_done();
        EXPECT_TRUE(test::is_waiting(joiner));
        q.task_done();
        joiner.get();
        EXPECT_TRUE(q.join_for(k_a_moment));
        EXPECT_THROW(q.task_done(), std::logic_error);
    });
}

// The getter must not find its item uncounted.
TEST(queue, item_that_is_handed_over_is_counted_before_it_is_seen) {
    on_one_and_four_workers([] {
        queue<int> q(1);
        auto worker = spawn([&] {
            for (int i = 0; i < 2000; ++i) {
                EXPECT_EQ(q.get(), i);
                q.task_done();
            }
        });
        for (int i = 0; i < 2000; ++i) {
            q.put(i);
        }
        q.join();
        worker.get();
    });
}

TEST(queue, shutdown_lets_getters_drain_and_putters_throw) {
    on_one_and_four_workers([] {
        queue<int> q(2);
        q.put(1);
        q.put(2);
        auto putter = spawn([&] { q.put(3); });
        yield_until_waiting(putter);
        q.shutdown();
        q.shutdown();
        EXPECT_TRUE(q.is_shut_down());
        EXPECT_THROW(putter.get(), queue_shut_down);
        EXPECT_THROW(q.put(4), queue_shut_down);
        EXPECT_THROW(q.try_put(4), queue_shut_down);
        EXPECT_EQ(q.get(), 1);
        EXPECT_EQ(q.try_get(), 2);
        EXPECT_THROW(q.get(), queue_shut_down);
        EXPECT_THROW(q.try_get(), queue_shut_down);
        EXPECT_THROW(q.try_get_for(k_long_time), queue_shut_down);
        auto joiner = spawn([&] { q.join(); });
        yield_until_waiting(joiner);
        q.task_done();
        q.task_done();
        joiner.get();
    });
}

TEST(queue, shutdown_wakes_waiting_getters) {
    on_one_and_four_workers([] {
        lifo_queue<int> q;
        auto getter = spawn([&] { q.get(); });
        yield_until_waiting(getter);
        q.shutdown();
        EXPECT_THROW(getter.get(), queue_shut_down);
    });
}

TEST(queue, immediate_shutdown_throws_away_and_lets_joiners_go) {
    on_one_and_four_workers([] {
        queue<std::shared_ptr<int>> q;
        auto const item = std::make_shared<int>(1);
        q.put(item);
        q.put(item);
        q.put(item);
        auto in_work = q.get();
        auto joiner = spawn([&] { q.join(); });
        yield_until_waiting(joiner);
        q.shutdown(true);
        EXPECT_TRUE(q.empty());
        EXPECT_EQ(item.use_count(), 2);
        EXPECT_THROW(q.get(), queue_shut_down);
        EXPECT_TRUE(test::is_waiting(joiner));  // for what was got
        q.task_done();
        joiner.get();
        EXPECT_THROW(q.task_done(), std::logic_error);
    });
}

TEST(queue, getter_that_is_chosen_and_cancelled_at_once_loses_no_item) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 300; ++round) {
            priority_queue<int> q(1);
            auto getter = spawn([&] { return q.get(); });
            if (round % 2 == 0) {
                yield();
            }
            auto canceller = spawn([&] { getter.cancel(); });
            auto putter = spawn([&, round] { q.put(round); });
            canceller.get();
            putter.get();
            getter.wait();
            EXPECT_EQ(getter.cancelled() ? q.get() : getter.get(), round);
            EXPECT_TRUE(q.empty());
            q.task_done();
            q.join();
        }
    });
}

TEST(queue, serves_plain_threads_and_tasks) {
    runtime rt(runtime_options{.workers = 2});
    queue<int> q(3);
    int sum = 0;
    auto worker = rt.spawn([&] {
        for (;;) {
            try {
                sum += q.get();
                q.task_done();
            } catch (queue_shut_down const&) {
                return;
            }
        }
    });
    std::thread putter([&] {
        for (int i = 0; i < 500; ++i) {
            q.put(1);
        }
    });
    for (int i = 0; i < 500; ++i) {
        q.put(1);
    }
    putter.join();
    q.join();
    q.shutdown();
    worker.get();
    EXPECT_EQ(sum, 1000);
}

}  // namespace
}  // namespace coir
