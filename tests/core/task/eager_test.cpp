// SPDX-License-Identifier: BSL-1.0
//
// task_options::eager
#include <coir/core/task/task.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/future.hpp>
#include <coir/core/task/gather.hpp>

#include <stdexcept>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

TEST(eager_task, that_never_suspends_has_ended_when_spawn_returns) {
    on_one_and_four_workers([] {
        bool ran = false;
        auto t = spawn({.eager = true}, [&] {
            ran = true;
            return current_task().id();
        });
        EXPECT_TRUE(ran);
        EXPECT_TRUE(t.done());
        EXPECT_EQ(t.get(), t.id());
    });
}

TEST(eager_task, runs_up_to_its_first_suspension) {
    on_one_and_four_workers([] {
        promise<int> p;
        int step = 0;
        auto const self = current_task();
        auto t = spawn({.eager = true}, [&, f = p.get_future()]() mutable {
            step = 1;
            int const got = f.get();
            step = 2;
            return got;
        });
        EXPECT_EQ(step, 1);
        EXPECT_FALSE(t.done());
        EXPECT_EQ(current_task(), self);
        p.set_value(8);
        EXPECT_EQ(t.get(), 8);
        EXPECT_EQ(step, 2);
    });
}

TEST(eager_task, comes_before_everything_that_is_ready) {
    on_one_and_four_workers([] {
        std::vector<int> order;
        spawn({.strand = strand()}, [&] {
            auto late = spawn([&] { order.push_back(3); });
            auto early = spawn({.eager = true}, [&] {
                order.push_back(1);
                yield();
                order.push_back(4);
            });
            order.push_back(2);
            late.get();
            early.get();
        }).get();
        EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
    });
}

TEST(eager_task, may_start_others_eagerly) {
    on_one_and_four_workers([] {
        std::vector<int> order;
        promise<void> p;
        auto outer = spawn({.eager = true}, [&] {
            order.push_back(1);
            auto inner = spawn({.eager = true}, [&, f = p.get_future()]() mutable {
                order.push_back(2);
                f.get();
                return 7;
            });
            order.push_back(3);
            return inner.get();
        });
        order.push_back(4);
        EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
        p.set_value();
        EXPECT_EQ(outer.get(), 7);
    });
}

TEST(eager_task, inside_a_task_that_runs_in_place) {
    on_one_and_four_workers([] {
        auto middle = spawn([] {
            auto t = spawn({.eager = true}, [] {
                yield();
                return 2;
            });
            return t.get();
        });
        EXPECT_EQ(middle.get(), 2);
    });
}

TEST(eager_task, failure_stays_in_it) {
    on_one_and_four_workers([] {
        auto t = spawn({.eager = true}, [] { throw std::runtime_error("failed"); });
        EXPECT_TRUE(t.done());
        EXPECT_THROW(t.get(), std::runtime_error);
    });
}

TEST(eager_task, with_a_stack_of_its_own) {
    on_one_and_four_workers([] {
        bool ran = false;
        auto t = spawn({.stack_size = 65536, .eager = true}, [&] {
            ran = true;
            yield();
        });
        EXPECT_TRUE(ran);
        t.get();
    });
}

TEST(eager_task, on_a_strand_that_is_held_waits_for_its_turn) {
    on_one_and_four_workers([] {
        strand const s;
        promise<void> p;
        bool ran = false;
        task<void> late;
        auto holder = spawn({.strand = s, .eager = true}, [&] {
            // Runs on s. On another strand, a task that wants s must wait.
            spawn({.strand = strand(), .eager = true}, [&] {
                late = spawn({.strand = s, .eager = true}, [&] { ran = true; });
            }).wait_for(std::chrono::seconds(0));
            EXPECT_FALSE(ran);
        });
        holder.get();
        late.get();
        EXPECT_TRUE(ran);
    });
}

TEST(eager_task, caught_exceptions_of_the_caller_are_its_own) {
    on_one_and_four_workers([] {
        try {
            throw std::runtime_error("mine");
        } catch (std::runtime_error const&) {
            spawn({.eager = true}, [] {
                EXPECT_EQ(std::current_exception(), nullptr);
                yield();
            }).detach();
            try {
                throw;
            } catch (std::runtime_error const& e) {
                EXPECT_STREQ(e.what(), "mine");
            }
        }
    });
}

TEST(eager_task, many_from_many_tasks) {
    on_one_and_four_workers([] {
        std::atomic<int> sum{0};
        std::vector<task<void>> parents;
        for (int i = 0; i < 50; ++i) {
            parents.push_back(spawn([&] {
                for (int k = 0; k < 50; ++k) {
                    auto t = spawn({.eager = true}, [&] {
                        ++sum;
                        yield();
                        ++sum;
                    });
                    if (k % 2 == 0) {
                        t.get();
                    } else {
                        yield();
                        t.wait();
                    }
                }
            }));
        }
        gather(parents);
        EXPECT_EQ(sum, 2 * 50 * 50);
    });
}

}  // namespace
}  // namespace coir
