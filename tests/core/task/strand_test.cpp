// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/strand.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/gather.hpp>
#include <coir/core/task/task_group.hpp>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

// Of those that are inside at once there is at most one.
class only_one {
public:
    template <class F>
    void run(F const& f) {
        EXPECT_EQ(inside_.fetch_add(1), 0);
        f();
        EXPECT_EQ(inside_.fetch_sub(1), 1);
    }

private:
    std::atomic<int> inside_{0};
};

TEST(strand, copies_are_the_same_strand) {
    strand const a;
    strand const b = a;
    EXPECT_EQ(a, b);
    EXPECT_NE(a, strand());
}

TEST(strand, tasks_of_one_never_run_at_the_same_time) {
    on_one_and_four_workers([] {
        strand const s;
        only_one inside;
        long plain = 0;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 64; ++i) {
            tasks.push_back(spawn({.strand = s}, [&] {
                for (int k = 0; k < 50; ++k) {
                    inside.run([&] { ++plain; });
                    yield();
                }
            }));
        }
        gather(tasks);
        EXPECT_EQ(plain, 64 * 50);
    });
}

TEST(strand, tasks_start_in_the_order_of_spawning) {
    on_one_and_four_workers([] {
        strand const s;
        std::vector<int> order;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 200; ++i) {
            tasks.push_back(spawn({.strand = s}, [&order, i] { order.push_back(i); }));
        }
        gather(tasks);
        ASSERT_EQ(order.size(), 200u);
        for (int i = 0; i < 200; ++i) {
            EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
        }
    });
}

TEST(strand, yield_takes_turns) {
    on_one_and_four_workers([] {
        strand const s;
        std::vector<int> order;
        auto body = [&order](int who) {
            for (int k = 0; k < 3; ++k) {
                order.push_back(who);
                yield();
            }
        };
        task<void> a;
        task<void> b;
        spawn({.strand = s}, [&] {
            a = spawn(body, 1);
            b = spawn(body, 2);
        }).get();
        gather(a, b);
        EXPECT_EQ(order, (std::vector<int>{1, 2, 1, 2, 1, 2}));
    });
}

TEST(strand, is_let_go_while_its_task_waits) {
    on_one_and_four_workers([] {
        strand const s;
        promise<int> p;
        auto waiting = spawn({.strand = s}, [f = p.get_future()]() mutable { return f.get(); });
        test::yield_until_waiting(waiting);
        spawn({.strand = s}, [&] { p.set_value(3); }).get();
        EXPECT_EQ(waiting.get(), 3);
    });
}

TEST(strand, task_goes_on_in_it_after_a_wait) {
    on_one_and_four_workers([] {
        strand const s;
        only_one inside;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 20; ++i) {
            tasks.push_back(spawn({.strand = s}, [&] {
                for (int k = 0; k < 5; ++k) {
                    sleep(std::chrono::microseconds(50));
                    inside.run([] {});
                }
            }));
        }
        gather(tasks);
    });
}

TEST(strand, children_and_callables_of_combinators_inherit_it) {
    on_one_and_four_workers([] {
        strand const s;
        only_one inside;
        auto body = [&] {
            for (int k = 0; k < 20; ++k) {
                inside.run([] {});
                yield();
            }
        };
        spawn({.strand = s}, [&] {
            gather(body, body, [&] { gather(body, body); });
            scope([&](task_group& g) {
                g.spawn(body);
                g.spawn(body);
            });
        }).get();
    });
}

TEST(strand, of_a_child_may_be_another_one) {
    on_one_and_four_workers([] {
        strand const s;
        std::atomic<bool> seen{false};
        spawn({.strand = s}, [&] {
            // The parent keeps its strand until the child has run, which its own one lets it.
            auto child = spawn({.strand = strand()}, [&] { seen = true; });
            if (runtime::current().stats().workers > 1) {
                while (!seen) {
                    std::this_thread::yield();
                }
            }
            child.get();
        }).get();
        EXPECT_TRUE(seen);
    });
}

TEST(strand, awaited_child_that_is_not_in_it_runs) {
    on_one_and_four_workers([] {
        strand const s;
        auto outside = spawn([] {
            yield();
            return 1;
        });
        auto inside = spawn({.strand = s}, [&] { return outside.get(); });
        auto other = spawn({.strand = s}, [] { return 2; });
        EXPECT_EQ(other.get(), 2);
        EXPECT_EQ(inside.get(), 1);
    });
}

TEST(strand, cancelled_task_that_waits_for_its_turn_never_runs) {
    on_one_and_four_workers([] {
        strand const s;
        promise<void> p;
        auto f = p.get_future();
        std::atomic<bool> ran{false};
        std::atomic<bool> held{false};
        task<void> second;
        auto first = spawn({.strand = s}, [&] {
            second = spawn([&] { ran = true; });
            second.cancel();
            held = true;
        });
        first.get();
        EXPECT_THROW(second.get(), cancelled);
        EXPECT_FALSE(ran);
        EXPECT_EQ(spawn({.strand = s}, [] { return 5; }).get(), 5);
    });
}

TEST(strand, failing_tasks_pass_it_on) {
    on_one_and_four_workers([] {
        strand const s;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 10; ++i) {
            tasks.push_back(spawn({.strand = s}, [] { throw std::runtime_error("failed"); }));
        }
        for (auto& t : tasks) {
            EXPECT_THROW(t.get(), std::runtime_error);
        }
        EXPECT_EQ(spawn({.strand = s}, [] { return 5; }).get(), 5);
    });
}

TEST(strand, works_with_a_stack_of_its_own) {
    on_one_and_four_workers([] {
        strand const s;
        auto a = spawn({.stack_size = 65536, .strand = s}, [] {
            yield();
            return 1;
        });
        auto b = spawn({.stack_size = 65536, .strand = s}, [] { return 2; });
        EXPECT_EQ(a.get() + b.get(), 3);
    });
}

TEST(strand, joins_tasks_of_several_runtimes_and_outlives_none_of_them_wrongly) {
    only_one inside;
    strand const s;
    runtime one(runtime_options{.workers = 2});
    runtime two(runtime_options{.workers = 2});
    std::vector<task<void>> tasks;
    for (int i = 0; i < 50; ++i) {
        for (runtime* rt : {&one, &two}) {
            tasks.push_back(rt->spawn({.strand = s}, [&] {
                for (int k = 0; k < 10; ++k) {
                    inside.run([] {});
                    yield();
                }
            }));
        }
    }
    for (auto& t : tasks) {
        t.get();
    }
}

TEST(strand, shutdown_ends_those_that_wait_for_their_turn) {
    for (unsigned const workers : {1u, 4u}) {
        runtime rt(runtime_options{.workers = workers});
        strand const s;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 100; ++i) {
            tasks.push_back(rt.spawn({.strand = s}, [] { test::sleep_forever(); }));
        }
        rt.shutdown();
        for (auto& t : tasks) {
            EXPECT_TRUE(t.cancelled());
        }
    }
}

TEST(strand, is_the_same_after_it_was_moved) {
    run([] {
        strand first;
        strand const second = std::move(first);
        EXPECT_EQ(first, second);  // NOLINT(bugprone-use-after-move): what this is about
        EXPECT_EQ(spawn(task_options{.strand = first}, [] { return 7; }).get(), 7);
    });
}

}  // namespace
}  // namespace coir
