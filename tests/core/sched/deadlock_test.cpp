// SPDX-License-Identifier: BSL-1.0
#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/core/base/config.hpp>
#include <coir/testing.hpp>

#include "tests/support/address_space.hpp"
#include "tests/support/nothing_left.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <latch>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include <malloc.h>

namespace {

using namespace std::chrono_literals;
using coir::run;
using coir::runtime_options;
using coir::spawn;
using coir::task;
using coir::task_options;
using ::testing::HasSubstr;

// Tells what() of the deadlock_error that `body` ends with, as the main task.
template <class F>
std::string deadlock_of(runtime_options const& options, F const& body) {
    try {
        run(options, [&] { body(); });
    } catch (coir::deadlock_error const& e) {
        return e.what();
    }
    return "no deadlock";
}

runtime_options const k_variants[] = {
    runtime_options{.workers = 1},
    runtime_options{.workers = 4},
    runtime_options{.workers = 1, .virtual_time = true},
    runtime_options{.workers = 4, .virtual_time = true},
    runtime_options{.seed = 7},
};

TEST(deadlock, tasks_that_await_each_other_are_named_with_the_circle) {
    for (auto const& options : k_variants) {
        std::string const report = deadlock_of(options, [] {
            // Owned by both tasks too: the main task unwinds before they have ended.
            struct pair {
                task<void> first;
                task<void> second;
                coir::event ready;
            };
            auto const both = std::make_shared<pair>();
            both->first = spawn(task_options{.name = "first"}, [both] {
                both->ready.wait();
                both->second.wait();
                coir::yield();  // where a cancellation is delivered that came together with the end of `second`
            });
            both->second = spawn(task_options{.name = "second"}, [both] { both->first.wait(); });
            both->ready.set();
            both->first.get();
        });
        EXPECT_THAT(report, HasSubstr("task 'first' waits for"));
        EXPECT_THAT(report, HasSubstr("task 'second' waits for"));
        EXPECT_THAT(report, HasSubstr("task 'main' waits for a task, namely 'first'"));
        EXPECT_THAT(report, ::testing::AnyOf(HasSubstr("the circle: 'first' -> 'second' -> 'first'"),
                                             HasSubstr("the circle: 'second' -> 'first' -> 'second'")));
    }
}

TEST(deadlock, of_mutexes_locked_in_different_orders_names_holders_and_the_circle) {
    for (auto const& options : k_variants) {
        std::string const report = deadlock_of(options, [] {
            coir::mutex a;
            coir::mutex b;
            coir::latch both(2);
            auto lock = [&both](coir::mutex& first, coir::mutex& second) {
                std::scoped_lock const outer(first);
                both.arrive_and_wait();
                std::scoped_lock const inner(second);
            };
            auto left = spawn(task_options{.name = "left"}, [&] { lock(a, b); });
            auto right = spawn(task_options{.name = "right"}, [&] { lock(b, a); });
            coir::gather(left, right);
        });
        EXPECT_THAT(report, ::testing::ContainsRegex(
                                "task 'left' waits for a mutex \\(0x[0-9a-f]+\\), last locked by 'right'"));
        EXPECT_THAT(report, ::testing::ContainsRegex(
                                "task 'right' waits for a mutex \\(0x[0-9a-f]+\\), last locked by 'left'"));
        EXPECT_THAT(report, HasSubstr("the circle: 'left' -> 'right' -> 'left'"));
        EXPECT_THAT(report, ::testing::ContainsRegex(
                                "task 'main' waits for several tasks \\(0x[0-9a-f]+\\), among them 'left'"));
    }
}

TEST(deadlock, of_a_shared_mutex_names_the_writer_that_holds_it_and_the_circle) {
    // Taken at once, or handed over.
    for (bool const handed_over : {false, true}) {
        for (auto const& options : k_variants) {
            std::string const report = deadlock_of(options, [&] {
                coir::shared_mutex shared;
                coir::mutex plain;
                coir::latch both(2);
                std::unique_lock<coir::shared_mutex> before;
                if (handed_over) {
                    before = std::unique_lock(shared);
                }
                auto writer = spawn(task_options{.name = "writer"}, [&] {
                    std::unique_lock const outer(shared);
                    both.arrive_and_wait();
                    std::scoped_lock const inner(plain);
                });
                auto reader = spawn(task_options{.name = "reader"}, [&] {
                    std::scoped_lock const outer(plain);
                    both.arrive_and_wait();
                    std::shared_lock const inner(shared);
                });
                if (handed_over) {
                    coir::test::yield_until_waiting(writer);
                    before.unlock();
                }
                coir::gather(writer, reader);
            });
            EXPECT_THAT(report,
                        ::testing::ContainsRegex(
                            "task 'reader' waits for a shared_mutex \\(0x[0-9a-f]+\\), last locked by 'writer'"));
            EXPECT_THAT(report, ::testing::AnyOf(HasSubstr("the circle: 'reader' -> 'writer' -> 'reader'"),
                                                 HasSubstr("the circle: 'writer' -> 'reader' -> 'writer'")));
        }
    }
}

TEST(deadlock, of_a_shared_mutex_that_its_reader_wants_as_a_writer_names_the_reader) {
    for (auto const& options : k_variants) {
        std::string const report = deadlock_of(options, [] {
            coir::shared_mutex shared;
            shared.lock();
            auto reader = spawn(task_options{.name = "reader"}, [&] {
                std::shared_lock const outer(shared);
                std::unique_lock const inner(shared);  // waits for itself to leave
            });
            coir::test::yield_until_waiting(reader);
            shared.unlock();
            reader.get();
        });
        EXPECT_THAT(report, ::testing::ContainsRegex(
                                "task 'reader' waits for a shared_mutex \\(0x[0-9a-f]+\\), last locked by 'reader'"));
        EXPECT_THAT(report, HasSubstr("the circle: 'reader' -> 'reader'"));
    }
}

TEST(deadlock, of_a_shared_mutex_names_the_reader_that_came_last_if_it_has_not_left) {
    for (bool const last_leaves : {false, true}) {
        for (auto const& options : k_variants) {
            std::string const report = deadlock_of(options, [&] {
                coir::shared_mutex shared;
                shared.lock_shared();
                auto last = spawn(task_options{.name = "last"}, [&] {
                    shared.lock_shared();
                    if (last_leaves) {
                        shared.unlock_shared();
                    }
                });
                last.get();
                if (!last_leaves) {
                    shared.unlock_shared();
                }
                spawn(task_options{.name = "writer"}, [&] { std::scoped_lock const inner(shared); }).get();
            });
            EXPECT_THAT(report, HasSubstr("task 'writer' waits for a shared_mutex"));
            EXPECT_EQ(report.find("last locked by") == std::string::npos, last_leaves) << report;
        }
    }
}

TEST(deadlock, of_an_event_that_nobody_sets_ends_the_run) {
    for (auto const& options : k_variants) {
        bool unwound = false;
        EXPECT_THAT(deadlock_of(options,
                                [&] {
                                    struct guard {
                                        bool& flag;
                                        ~guard() { flag = true; }
                                    } const g{unwound};
                                    coir::event never;
                                    never.wait();
                                }),
                    HasSubstr("task 'main' waits for an event"));
        EXPECT_TRUE(unwound);
    }
}

TEST(deadlock, is_found_when_it_comes_late) {
    EXPECT_THAT(deadlock_of(runtime_options{.virtual_time = true},
                            [] {
                                coir::sleep(1000h);
                                coir::channel<int> c(1);
                                c.pop();
                            }),
                HasSubstr("'main'"));
}

TEST(deadlock, cancelled_tasks_may_still_end_well) {
    int const result = run(runtime_options{.virtual_time = true}, [] {
        coir::event never;
        try {
            never.wait();
        } catch (coir::cancelled const&) {
            return 5;
        }
        return 0;
    });
    EXPECT_EQ(result, 5);
}

// The child's end by the cancellation may come before main sees its own, and leave it nothing to suspend at.
TEST(deadlock, is_thrown_though_what_main_waited_for_has_ended_first) {
    for (auto const& options : k_variants) {
        for (int round = 0; round < 4; ++round) {
            EXPECT_THAT(deadlock_of(options,
                                    [] {
                                        auto const m = std::make_shared<coir::mutex>();
                                        std::unique_lock const lock(*m);
                                        auto child = spawn([m] { std::unique_lock const second(*m); });
                                        child.wait();
                                    }),
                        HasSubstr("a mutex"));
        }
    }
}

TEST(deadlock, is_thrown_by_block_on) {
    coir::runtime home(runtime_options{.workers = 2});
    EXPECT_THROW(home.block_on([] {
        coir::event never;
        never.wait();
    }),
                 coir::deadlock_error);
    EXPECT_EQ(home.block_on([] { return 3; }), 3);
}

TEST(deadlock, each_of_a_runtime_is_found_and_thrown_where_it_happened) {
    for (auto const& options : k_variants) {
        coir::runtime home(options);
        auto const wait_in_vain = [] {
            coir::event never;
            never.wait();
        };
        for (int round = 0; round < 3; ++round) {
            EXPECT_THROW(home.block_on(wait_in_vain), coir::deadlock_error);
            EXPECT_THROW(home.block_on([] {
                coir::current_task().cancel("by itself");
                coir::yield();
            }),
                         coir::cancelled);
            EXPECT_EQ(home.block_on([] { return 3; }), 3);
        }
    }
}

TEST(deadlock, of_a_task_that_has_caught_the_cancellation_of_one_is_found_too) {
    for (auto const& options : k_variants) {
        EXPECT_THAT(deadlock_of(options,
                                [] {
                                    coir::event first;
                                    coir::event second;
                                    EXPECT_THROW(first.wait(), coir::cancelled);
                                    EXPECT_THROW(second.wait(), coir::cancelled);
                                    coir::mutex third;
                                    third.lock();
                                    third.lock();
                                }),
                    HasSubstr("a mutex"));
    }
}

TEST(deadlock, is_not_what_a_later_cancellation_of_a_task_that_has_caught_it_is_called) {
    for (auto const& options : k_variants) {
        for (std::string const reason : {"the user asked for it", ""}) {
            std::string end;
            try {
                run(options, [&reason] {
                    coir::event never;
                    EXPECT_THROW(never.wait(), coir::cancelled);
                    coir::current_task().cancel(reason);
                    coir::yield();
                });
            } catch (coir::cancelled const& e) {
                end = "cancelled: " + e.reason();
            }
            EXPECT_EQ(end, "cancelled: " + reason);
        }
    }
}

// Whoever does not notice that it was cancelled because all that it waited for has ended hands that on.
TEST(deadlock, is_thrown_whichever_task_of_a_chain_notices_it) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        EXPECT_THAT(deadlock_of(runtime_options{.seed = seed},
                                [] {
                                    coir::mutex m;
                                    spawn([&m] {
                                        std::lock_guard const lock(m);
                                        coir::scope([&m](coir::task_group& group) {
                                            group.spawn([&m] { std::lock_guard const second(m); });
                                        });
                                    }).get();
                                }),
                    HasSubstr("a mutex"))
            << seed;
    }
}

TEST(deadlock, a_plain_thread_that_may_still_wake_somebody_prevents_the_verdict) {
    for (auto const& options : k_variants) {
        coir::event from_outside;
        std::atomic<bool> waiting = false;
        std::thread helper([&] {
            while (!waiting) {
                std::this_thread::yield();
            }
            std::this_thread::sleep_for(300ms);  // longer than it takes to find a deadlock
            from_outside.set();
        });
        EXPECT_EQ(deadlock_of(options,
                              [&] {
                                  waiting = true;
                                  from_outside.wait();
                              }),
                  "no deadlock");
        helper.join();
    }
}

TEST(deadlock, a_plain_thread_that_was_just_woken_prevents_the_verdict) {
    coir::runtime home(runtime_options{.workers = 1, .virtual_time = true});
    for (int round = 0; round < 300; ++round) {
        coir::event from_outside;
        auto waiting = home.spawn([&] { from_outside.wait(); });
        EXPECT_EQ(home.block_on([round] { return round; }), round);  // and this thread goes on: all tasks wait for it
        from_outside.set();
        EXPECT_NO_THROW(waiting.get());
    }
}

TEST(deadlock, is_found_though_a_plain_thread_comes_late_to_wait_for_it) {
    coir::runtime home(runtime_options{.workers = 2});
    auto waiting = home.spawn([] {
        coir::event never;
        never.wait();
    });
    std::this_thread::sleep_for(300ms);  // longer than it takes to ask whether it is one
    EXPECT_THROW(waiting.get(), coir::cancelled);
}

TEST(deadlock, a_job_outside_prevents_the_verdict) {
    for (auto const& options : k_variants) {
        run(options, [] {
            EXPECT_EQ(coir::run_in_executor([] {
                          std::this_thread::sleep_for(300ms);
                          return 9;
                      }).get(),
                      9);
        });
    }
}

TEST(deadlock, idle_threads_of_a_pool_do_not_hide_it) {
    for (auto const idle_timeout : {0s, 3600s}) {
        for (auto const& options : k_variants) {
            EXPECT_THAT(deadlock_of(options,
                                    [&] {
                                        coir::thread_pool_executor pool({.idle_timeout = idle_timeout});
                                        auto a = pool.submit([] {});
                                        auto b = pool.submit([] {});
                                        a.get();
                                        b.get();
                                        coir::event e;
                                        e.wait();
                                    }),
                        HasSubstr("waits for"));
        }
    }
}

TEST(deadlock, a_coroutine_that_waits_for_the_task_does_not_hide_it) {
    struct detached {
        struct promise_type {
            detached get_return_object() { return {}; }
            std::suspend_never initial_suspend() noexcept { return {}; }
            std::suspend_never final_suspend() noexcept { return {}; }
            void return_void() {}
            void unhandled_exception() { std::terminate(); }
        };
    };
    std::size_t const records_before = coir::test::live_records();
    coir::event e;  // here: the main task unwinds before the other one has ended
    std::atomic<bool> cancelled = false;
    auto const follow = [&cancelled](task<void> awaited) -> detached {
        try {
            co_await awaited;
        } catch (coir::cancelled const&) {
            cancelled = true;
        }
    };
    EXPECT_THAT(deadlock_of(k_variants[0],
                            [&] {
                                follow(spawn([&] { e.wait(); }));
                                e.wait();
                            }),
                HasSubstr("waits for"));
    // It ends on a thread that outlives the runtime, and lets go of the task a little later.
    coir::test::yield_until([&] { return cancelled && coir::test::live_records() <= records_before; });
}

TEST(deadlock, another_runtime_prevents_the_verdict) {
    coir::runtime other(runtime_options{.workers = 1});
    EXPECT_EQ(deadlock_of(runtime_options{.workers = 1},
                          [&] {
                              coir::event e;
                              auto t = other.spawn([&] {
                                  coir::sleep(300ms);
                                  e.set();
                              });
                              e.wait();
                              t.get();
                          }),
              "no deadlock");
}

// This thread could wake somebody, so none of these is called a deadlock.
TEST(deadlock, report_comes_on_request_where_it_is_not_certain) {
    for (unsigned const workers : {1U, 4U}) {
        coir::runtime home(runtime_options{.workers = workers});
        coir::mutex a;
        coir::mutex b;
        coir::latch both(2);
        auto const lock = [&both](coir::mutex& first, coir::mutex& second) {
            std::scoped_lock const outer(first);
            both.arrive_and_wait();
            std::scoped_lock const inner(second);
        };
        auto left = home.spawn(task_options{.name = "left"}, [&] { lock(a, b); });
        auto right = home.spawn(task_options{.name = "right"}, [&] { lock(b, a); });
        auto sleeper = home.spawn(task_options{.name = "sleeper"}, [] { coir::sleep(1h); });
        std::string report;
        while (report.find("circle") == std::string::npos) {  // they may not have come there yet
            report = home.describe_waits(1h).value();
        }
        EXPECT_THAT(report, HasSubstr("task 'sleeper' waits for the clock"));
        EXPECT_THAT(report, ::testing::ContainsRegex(
                                "task 'left' waits for a mutex \\(0x[0-9a-f]+\\), last locked by 'right'"));
        EXPECT_THAT(report, ::testing::AnyOf(HasSubstr("the circle: 'left' -> 'right' -> 'left'"),
                                             HasSubstr("the circle: 'right' -> 'left' -> 'right'")));
        left.cancel();  // and nothing has been stopped by it
        EXPECT_THROW(left.get(), coir::cancelled);
        EXPECT_NO_THROW(right.get());
        sleeper.cancel();
    }
}

TEST(deadlock, report_takes_time_in_proportion_to_the_tasks) {
    // The fastest of some, of a chain in which each task awaits the one before.
    auto const time_for = [](int tasks) {
        coir::runtime home(runtime_options{.workers = 1});
        coir::event go;
        std::vector<task<void>> chain;
        chain.reserve(static_cast<std::size_t>(tasks));
        chain.push_back(home.spawn([&go] { go.wait(); }));
        for (int i = 1; i < tasks; ++i) {
            chain.push_back(home.spawn([&last = chain.back()] { last.wait(); }));
        }
        auto fastest = std::chrono::nanoseconds::max();
        for (int i = 0; i < 5; ++i) {
            auto const begin = std::chrono::steady_clock::now();
            EXPECT_THAT(home.describe_waits(1h).value_or(""), HasSubstr("waits for an event"));
            fastest = std::min<std::chrono::nanoseconds>(fastest, std::chrono::steady_clock::now() - begin);
        }
        home.block_on([&] { go.set(); });
        for (auto& each : chain) {
            each.get();
        }
        return fastest;
    };
    EXPECT_LT(time_for(3200) / time_for(200), 100);  // with the square it would be 256
}

TEST(deadlock, report_on_request_names_a_call_that_blocks_its_thread) {
    coir::runtime home(runtime_options{.workers = 1});
    std::latch over(1);
    std::atomic<bool> inside = false;
    coir::event afterwards;
    auto caller = home.spawn(task_options{.name = "caller"}, [&] {
        coir::blocking([&] {
            inside = true;
            over.wait();
        });
        afterwards.wait();
    });
    coir::test::yield_until([&] { return inside.load(); });
    EXPECT_THAT(home.describe_waits(1h).value_or(""), HasSubstr("task 'caller' waits for a blocking call"));
    over.count_down();
    coir::test::yield_until_waiting(caller);
    EXPECT_THAT(home.describe_waits(1h).value_or(""), HasSubstr("task 'caller' waits for an event"));
    afterwards.set();
    caller.get();
}

TEST(deadlock, report_on_request_wants_a_runtime_at_rest) {
    coir::runtime home(runtime_options{.workers = 1});
    EXPECT_EQ(home.describe_waits(1h), "");
    std::atomic<bool> stop = false;
    auto busy = home.spawn([&] {
        while (!stop) {
            coir::yield();
        }
    });
    EXPECT_EQ(home.describe_waits(10ms), std::nullopt);
    stop = true;
    busy.get();
    home.block_on([&] { EXPECT_THROW(home.describe_waits(), coir::invalid_state); });
}

TEST(deadlock, reports_on_request_do_not_disturb_those_who_come_and_go) {
    constexpr int k_rounds = 500;
    coir::runtime home(runtime_options{.workers = 3});
    coir::channel<int> down(1);
    coir::channel<int> back(1);
    auto pass_on = [](coir::channel<int>& from, coir::channel<int>& to) {
        for (int i = 0; i < k_rounds; ++i) {
            to.push(from.pop().value());
        }
    };
    coir::channel<int> middle(1);
    auto first = home.spawn(task_options{.name = "first"}, [&] { pass_on(down, middle); });
    auto second = home.spawn(task_options{.name = "second"}, [&] { pass_on(middle, back); });
    std::atomic<bool> stop = false;
    std::atomic<int> reports = 0;
    std::thread asking([&] {
        while (!stop) {
            if (auto const report = home.describe_waits(1ms); report && !report->empty()) {
                EXPECT_THAT(*report, HasSubstr("waits for"));
                ++reports;
            }
        }
    });
    for (int i = 0; i < k_rounds; ++i) {
        down.push(i);
        EXPECT_EQ(back.pop(), i);
        if (i % (k_rounds / 10) == 0) {
            // Both wait now, so the one who asks gets its answer; how often it does in between is left to chance.
            for (int const before = reports; reports == before;) {
                std::this_thread::sleep_for(100us);
            }
        }
    }
    first.get();
    second.get();
    stop = true;
    asking.join();
}

[[noreturn]] void deadlock_without_memory(unsigned workers) {
    ::mallopt(M_ARENA_MAX, 1);  // no thread has an arena with room of its own
    run(runtime_options{.workers = workers}, [] {
        coir::event never;
        // After the first one all threads are there, and have what they need.
        EXPECT_THROW(never.wait(), coir::cancelled);
        coir::test::use_up_all_memory();
        try {
            never.wait();
        } catch (coir::cancelled const&) {
            std::_Exit(0);
        }
    });
    std::_Exit(1);
}

TEST(deadlock, is_found_and_ended_without_memory) {
    if (COIR_ASAN || COIR_TSAN) {
        GTEST_SKIP() << "sanitizers need address space of their own";
    }
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    for (unsigned const workers : {1u, 2u}) {
        EXPECT_EXIT(deadlock_without_memory(workers), testing::ExitedWithCode(0),
                    "all tasks wait, and nobody can wake one of them");
    }
}

TEST(deadlock, is_what_explore_finds_with_its_seed) {
    try {
        coir::testing::explore(3, [] {
            coir::event never;
            never.wait();
        });
        FAIL();
    } catch (coir::testing::exploration_failed const& e) {
        EXPECT_THAT(e.what(), HasSubstr("seed 1 fails"));
        EXPECT_THAT(e.what(), HasSubstr("all tasks wait"));
    }
}

}  // namespace
