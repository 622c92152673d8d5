// SPDX-License-Identifier: BSL-1.0
#include <coir/core/sched/runtime.hpp>

#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"

#include <coir/core/sched/blocking.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/task_ref.hpp>
#include <coir/sync/event.hpp>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace coir {
namespace {

TEST(run, returns_the_result) {
    EXPECT_EQ(run([] { return 7; }), 7);
    EXPECT_EQ(run([](int a, std::string b) { return b + std::to_string(a); }, 1, "x"), "x1");
    EXPECT_EQ(*run([] { return std::make_unique<int>(3); }), 3);
    run([] {});
}

TEST(run, and_block_on_call_their_task_main) {
    auto const name = [] { return coir::current_task().name(); };
    EXPECT_EQ(run(name), "main");
    runtime home(runtime_options{.workers = 1});
    EXPECT_EQ(home.block_on(name), "main");
    EXPECT_EQ(home.block_on(name), "main");
}

TEST(run, rethrows_the_exception) {
    EXPECT_THROW(run([] { throw std::out_of_range("main"); }), std::out_of_range);
}

TEST(run, cancels_and_awaits_what_is_still_alive) {
    for (unsigned const workers : {1u, 4u}) {
        std::atomic<int> cleaned_up{0};
        run(runtime_options{.workers = workers}, [&] {
            for (int i = 0; i < 10; ++i) {
                auto t = spawn([&] {
                    try {
                        test::sleep_forever();
                    } catch (cancelled const&) {
                        cleaned_up.fetch_add(1);
                        throw;
                    }
                });
                test::yield_until_waiting(t);
            }
        });
        EXPECT_EQ(cleaned_up, 10);
    }
}

TEST(run, inside_a_task_runs_a_child_of_the_same_runtime) {
    run(runtime_options{.workers = 1}, [] {
        runtime* const outer = &runtime::current();
        EXPECT_EQ(run([&] {
                      EXPECT_EQ(&runtime::current(), outer);
                      return 4;
                  }),
                  4);
        EXPECT_THROW(run([] { throw std::runtime_error("nested"); }), std::runtime_error);
    });
}

TEST(run, with_options_inside_a_task_throws_invalid_state) {
    run([] { EXPECT_THROW(run(runtime_options{.workers = 1}, [] {}), invalid_state); });
}

TEST(run, as_main_gives_the_status) {
    char name[] = "program";
    char* argv[] = {name, nullptr};
    EXPECT_EQ(run(1, argv, [] { return 3; }), 3);
    EXPECT_EQ(run(1, argv, [] {}), 0);
    EXPECT_EQ(run(1, argv, [](int argc, char** v) { return argc + (v[0] != nullptr ? 10 : 0); }), 11);
}

TEST(runtime, outside_of_one_there_is_no_current_one) {
    EXPECT_THROW(runtime::current(), no_running_runtime);
}

TEST(runtime, several_may_exist) {
    runtime a(runtime_options{.workers = 1});
    runtime b(runtime_options{.workers = 2});
    EXPECT_EQ(a.block_on([] { return &runtime::current(); }), &a);
    EXPECT_EQ(b.block_on([] { return &runtime::current(); }), &b);
    EXPECT_EQ(a.block_on([&] { return b.block_on([] { return 6; }); }), 6);
}

TEST(runtime, spawn_and_block_on_after_shutdown_throw) {
    runtime rt(runtime_options{.workers = 2});
    EXPECT_EQ(rt.block_on([] { return 1; }), 1);
    rt.shutdown();
    EXPECT_THROW(rt.spawn([] {}), no_running_runtime);
    EXPECT_THROW(rt.block_on([] {}), no_running_runtime);
    rt.shutdown();
}

TEST(runtime, tasks_of_block_on_run_on) {
    runtime rt(runtime_options{.workers = 1});
    std::atomic<bool> ended{false};
    rt.block_on([&] {
        spawn([&] {
            yield();
            ended = true;
        });
    });
    test::yield_until([&] { return ended.load(); });
}

TEST(runtime, counts_its_tasks) {
    runtime rt(runtime_options{.workers = 3});
    rt.block_on([] {
        std::vector<task<void>> tasks;
        for (int i = 0; i < 100; ++i) {
            tasks.push_back(spawn([] { yield(); }));
        }
        for (auto& t : tasks) {
            t.get();
        }
    });
    rt.shutdown();
    auto const stats = rt.stats();
    EXPECT_EQ(stats.workers, 3u);
    EXPECT_EQ(stats.tasks_spawned, 101u);
    EXPECT_EQ(stats.tasks_ended, 101u);
}

TEST(runtime_options, too_many_workers_are_an_error) {
    EXPECT_THROW(runtime(runtime_options{.workers = 5000}), std::invalid_argument);
    EXPECT_THROW(run(runtime_options{.workers = 1025}, [] {}), std::invalid_argument);
}

class coir_workers : public testing::Test {
protected:
    void SetUp() override {
        if (char const* const value = std::getenv("COIR_WORKERS")) {
            before_ = value;
        }
    }
    void TearDown() override {
        before_.empty() ? ::unsetenv("COIR_WORKERS") : ::setenv("COIR_WORKERS", before_.c_str(), 1);
    }

private:
    std::string before_;
};

TEST_F(coir_workers, replaces_the_default_only) {
    ::setenv("COIR_WORKERS", "3", 1);
    EXPECT_EQ(runtime().stats().workers, 3u);
    EXPECT_EQ(runtime(runtime_options{.workers = 2}).stats().workers, 2u);
}

TEST_F(coir_workers, that_makes_no_sense_is_an_error) {
    for (char const* const value : {"5000", "0", "-1", "many", "3x"}) {
        ::setenv("COIR_WORKERS", value, 1);
        EXPECT_THROW(runtime(), std::invalid_argument) << value;
        EXPECT_EQ(runtime(runtime_options{.workers = 1}).stats().workers, 1u);
    }
}

TEST_F(coir_workers, that_is_empty_counts_as_unset) {
    ::unsetenv("COIR_WORKERS");
    unsigned const usual = runtime().stats().workers;
    ::setenv("COIR_WORKERS", "", 1);
    EXPECT_EQ(runtime().stats().workers, usual);
    EXPECT_GE(usual, 1u);
}

TEST(order, tasks_start_in_the_order_of_spawning_on_one_worker) {
    run(runtime_options{.workers = 1}, [] {
        std::vector<int> order;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 1000; ++i) {
            tasks.push_back(spawn([&, i] { order.push_back(i); }));
        }
        tasks.back().wait();
        ASSERT_EQ(order.size(), 1000u);
        for (int i = 0; i < 1000; ++i) {
            EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
        }
    });
}

TEST(order, yielding_tasks_take_turns_on_one_worker) {
    run(runtime_options{.workers = 1}, [] {
        std::vector<int> order;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 3; ++i) {
            tasks.push_back(spawn([&, i] {
                for (int round = 0; round < 50; ++round) {
                    order.push_back(i);
                    yield();
                }
            }));
        }
        for (auto const& t : tasks) {
            t.wait();
        }
        ASSERT_EQ(order.size(), 150u);
        for (std::size_t i = 0; i < order.size(); ++i) {
            EXPECT_EQ(order[i], static_cast<int>(i % 3)) << i;
        }
    });
}

TEST(order, woken_tasks_go_on_in_the_order_of_waking_on_one_worker) {
    run(runtime_options{.workers = 1}, [] {
        std::vector<int> order;
        std::vector<promise<void>> promises(20);
        std::vector<task<void>> tasks;
        for (int i = 0; i < 20; ++i) {
            tasks.push_back(spawn([&, i, f = promises[static_cast<std::size_t>(i)].get_future()]() mutable {
                f.get();
                order.push_back(i);
            }));
        }
        for (auto const& t : tasks) {
            test::yield_until_waiting(t);
        }
        for (int i = 19; i >= 0; --i) {
            promises[static_cast<std::size_t>(i)].set_value();
        }
        for (auto const& t : tasks) {
            t.wait();
        }
        for (int i = 0; i < 20; ++i) {
            EXPECT_EQ(order[static_cast<std::size_t>(i)], 19 - i);
        }
    });
}

TEST(fairness, task_that_spawns_and_awaits_in_a_loop_starves_neither_timers_nor_others) {
    test::on_one_and_four_workers([] {
        std::atomic<bool> stop{false};
        auto loop = spawn([&] {
            while (!stop) {
                spawn([] {}).get();
            }
        });
        sleep(std::chrono::milliseconds(1));
        auto other = spawn([] { yield(); });
        other.wait();
        stop = true;
        loop.get();
    });
}

TEST(fairness, pair_that_wakes_each_other_starves_neither_timers_nor_others) {
    for (unsigned const workers : {1u, 2u}) {
        run(runtime_options{.workers = workers}, [] {
            std::atomic<bool> stop{false};
            std::vector<task<void>> busy;
            for (int i = 0; i < 4; ++i) {
                busy.push_back(spawn([&] { test::yield_until([&] { return stop.load(); }); }));
            }
            sleep(test::k_a_moment);
            stop = true;
            for (auto& b : busy) {
                b.get();
            }
        });
    }
}

TEST(runtime, ends_in_a_task_of_another_one_whose_other_tasks_go_on) {
    runtime outer(runtime_options{.workers = 1});
    outer.block_on([] {
        event refuses;
        event released;
        auto inner = std::make_unique<runtime>(runtime_options{.workers = 1});
        auto last = inner->spawn([&] {
            cancel_shield const shield;
            refuses.set();
            released.wait();
            return 7;
        });
        refuses.wait();
        auto releaser = spawn([&] { released.set(); });  // on the worker that would wait
        inner.reset();
        EXPECT_TRUE(releaser.done());
        EXPECT_EQ(last.get(), 7);
    });
}

TEST(runtime, cannot_be_shut_down_by_its_own_task_that_blocks_its_thread) {
    runtime home(runtime_options{.workers = 1});
    home.block_on([&] { blocking([&] { EXPECT_THROW(home.shutdown(), invalid_state); }); });
}

class runtime_of_its_own_task : public ::testing::Test {
protected:
    void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(runtime_of_its_own_task, ends_the_process_with_a_message_when_that_destroys_it) {
    EXPECT_EXIT(
        {
            auto home = std::make_unique<runtime>(runtime_options{.workers = 1});
            home->block_on([&home] { home.reset(); });
        },
        ::testing::KilledBySignal(SIGABRT), "destroyed by one of its own tasks");
}

}  // namespace
}  // namespace coir
