// SPDX-License-Identifier: BSL-1.0
//
// What asyncio's single thread gives away for free: nobody else runs between two awaits. A strand gives the same, and so
// does a runtime with one worker.

#include "tests/conformance/support.hpp"

#include <atomic>
#include <map>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::journal;
using test::on_a_strand;
using test::under_each_setting;

COIR_CONFORMS(strands, nobody_else_runs_between_two_awaits) {
    strand const loop;
    std::atomic<int> inside{0};
    int number = 0;  // unprotected
    auto count = [&] {
        for (int i = 0; i < 50; ++i) {
            EXPECT_EQ(inside.fetch_add(1), 0);
            int const seen = number;
            for (int k = 0; k < 10; ++k) {
                EXPECT_EQ(number, seen);
            }
            number = seen + 1;
            inside.fetch_sub(1);
            yield();
        }
    };
    std::vector<task<void>> counters;
    for (int i = 0; i < 4; ++i) {
        counters.push_back(spawn({.strand = loop}, count));
    }
    gather(counters);
    EXPECT_EQ(number, 200);
}

TEST(strands, one_worker_is_one_loop) {
    under_each_setting([](runtime_options options) {
        options.workers = 1;
        run(options, [] {
            auto const here = std::this_thread::get_id();
            std::atomic<int> inside{0};
            int number = 0;
            auto count = [&] {
                for (int i = 0; i < 200; ++i) {
                    EXPECT_EQ(std::this_thread::get_id(), here);
                    EXPECT_EQ(inside.fetch_add(1), 0);
                    ++number;
                    inside.fetch_sub(1);
                    yield();
                }
            };
            gather(count, count, count);
            EXPECT_EQ(number, 600);
        });
    });
}

// Under one setting: with one worker, which a seed implies too, they never meet.
TEST(strands, without_one_tasks_run_at_the_same_time) {
    run(runtime_options{.workers = 4}, [] {
        std::atomic<int> here{0};
        auto meet = [&] {
            here.fetch_add(1);
            while (here != 2) {  // without a suspension point
            }
        };
        auto other = spawn(meet);
        meet();
        other.get();
        EXPECT_EQ(here, 2);
    });
}

COIR_CONFORMS(strands, what_was_checked_still_holds) {
    strand const loop;
    std::map<int, int> made;  // unprotected
    int makings = 0;
    auto make_those_that_are_missing = [&] {
        for (int key = 0; key < 20; ++key) {
            if (!made.contains(key)) {
                ++makings;
                made[key] = makings;
            }
            yield();
        }
    };
    std::vector<task<void>> makers;
    for (int i = 0; i < 4; ++i) {
        makers.push_back(spawn({.strand = loop}, make_those_that_are_missing));
    }
    gather(makers);
    EXPECT_EQ(makings, 20);
}

COIR_CONFORMS(strands, size_of_a_queue_can_be_relied_on) {
    strand const loop;
    queue<int> items;
    for (int i = 0; i < 30; ++i) {
        items.put(i);
    }
    std::atomic<int> taken{0};
    auto take = [&] {
        while (!items.empty()) {
            EXPECT_TRUE(items.try_get().has_value());
            taken.fetch_add(1);
            yield();
        }
    };
    std::vector<task<void>> takers;
    for (int i = 0; i < 3; ++i) {
        takers.push_back(spawn({.strand = loop}, take));
    }
    gather(takers);
    EXPECT_EQ(taken, 30);
}

COIR_CONFORMS(strands, an_await_lets_the_others_run) {
    journal<int> order;
    on_a_strand([&] {
        event ready;
        auto other = spawn([&] {
            order.add(2);
            ready.set();
            order.add(3);
        });
        order.add(1);
        ready.wait();
        order.add(4);
        other.get();
    });
    EXPECT_EQ(order.entries(), (std::vector<int>{1, 2, 3, 4}));
}

COIR_CONFORMS(strands, tasks_and_callbacks_of_a_task_are_on_its_loop) {
    journal<int> order;
    on_a_strand([&] {
        latch ended(2);
        auto child = spawn([&] {
            order.add(2);
            ended.count_down();
        });
        child.on_done([&](task_ref const&) {
            order.add(3);
            ended.count_down();
        });
        order.add(1);  // neither has run, on however many workers
        ended.wait();
    });
    EXPECT_EQ(order.entries(), (std::vector<int>{1, 2, 3}));
}

}  // namespace
}  // namespace coir
