// SPDX-License-Identifier: BSL-1.0
#include <coir/coir.hpp>
#include <coir/testing.hpp>

#include "tests/support/nothing_left.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <string>
#include <vector>

namespace {

using namespace std::chrono;
using coir::clock;
using coir::run;
using coir::runtime_options;
using coir::spawn;

template <class F>
void with_virtual_time(F const& body) {
    for (unsigned const workers : {1u, 4u}) {
        SCOPED_TRACE(workers);
        run(runtime_options{.workers = workers, .virtual_time = true}, [&body] { body(); });
    }
}

TEST(virtual_time, passes_as_fast_as_nobody_has_anything_to_do) {
    with_virtual_time([] {
        auto const really = steady_clock::now();
        auto const start = clock::now();
        coir::sleep(hours(1000));
        EXPECT_EQ(clock::now() - start, hours(1000));
        EXPECT_LT(steady_clock::now() - really, hours(1));
    });
}

TEST(virtual_time, stands_still_while_a_task_computes) {
    with_virtual_time([] {
        auto const start = clock::now();
        auto const really = steady_clock::now();
        while (steady_clock::now() - really < milliseconds(2)) {
        }
        EXPECT_EQ(clock::now(), start);
    });
}

TEST(virtual_time, wakes_everybody_exactly_at_his_deadline_and_in_order) {
    with_virtual_time([] {
        auto const start = clock::now();
        coir::channel<int> order(100);
        std::vector<coir::task<void>> sleepers;
        for (int i = 0; i < 50; ++i) {
            sleepers.push_back(spawn([&order, start, i] {
                coir::sleep(minutes(50 - i));
                EXPECT_EQ(clock::now() - start, minutes(50 - i));
                order.push(50 - i);
            }));
        }
        for (auto& t : sleepers) {
            t.get();
        }
        for (int i = 1; i <= 50; ++i) {
            EXPECT_EQ(order.try_pop(), i);
        }
    });
}

TEST(virtual_time, does_not_jump_while_another_worker_runs_a_task) {
    run(runtime_options{.workers = 4, .virtual_time = true}, [] {
        for (int round = 0; round < 200; ++round) {
            coir::event go;
            auto const start = clock::now();
            auto timed = spawn([&] {
                go.wait();
                return clock::now() - start;
            });
            auto waits = spawn([] { coir::sleep(hours(1)); });
            coir::yield();
            std::vector<int> work(1000, round);  // something to do before the event
            for (int& x : work) {
                x = x * 31 + round;
            }
            go.set();
            EXPECT_EQ(timed.get(), clock::duration::zero()) << work[7];
            waits.get();
            EXPECT_EQ(clock::now() - start, hours(1));
        }
    });
}

TEST(virtual_time, time_limits_expire_at_their_time) {
    with_virtual_time([] {
        auto const start = clock::now();
        EXPECT_THROW(coir::with_timeout(hours(2), [] { coir::sleep(hours(3)); }), coir::timeout_error);
        EXPECT_EQ(clock::now() - start, hours(2));
        coir::event never;
        EXPECT_FALSE(never.wait_for(days(1)));
        EXPECT_EQ(clock::now() - start, hours(26));
    });
}

TEST(virtual_time, interval_ticks_without_drift_and_skips_what_was_missed) {
    with_virtual_time([] {
        auto const start = clock::now();
        coir::interval every(milliseconds(10));
        int multiple = 0;
        for (int tick = 0; tick < 1000; ++tick) {
            auto const due = every.tick();
            int const expected = multiple + 1;
            EXPECT_EQ(due - start, milliseconds(10) * expected);
            EXPECT_EQ(clock::now(), due);
            int const busy = tick * 7 % 36;
            coir::sleep(milliseconds(busy));
            multiple = expected + (busy > 0 ? (busy - 1) / 10 : 0);
        }
    });
}

TEST(virtual_time, waits_for_what_an_executor_does_meanwhile) {
    with_virtual_time([] {
        auto const start = clock::now();
        auto job = coir::run_in_executor([] {
            std::this_thread::sleep_for(milliseconds(20));
            return 7;
        });
        auto limited = spawn([&] { return coir::with_timeout(seconds(1), [&] { return job.get(); }); });
        EXPECT_EQ(limited.get(), 7);
        EXPECT_EQ(clock::now(), start);
        coir::sleep(hours(1));
        EXPECT_EQ(clock::now() - start, hours(1));
    });
}

TEST(virtual_time, goes_on_when_a_job_was_cancelled_before_it_started) {
    with_virtual_time([] {
        coir::thread_pool_executor one(coir::thread_pool_options{.max_workers = 1});
        std::atomic<bool> release = false;
        auto first = one.submit([&] {
            while (!release) {
                std::this_thread::yield();
            }
        });
        auto second = one.submit([] {});
        second.cancel();
        release = true;
        first.get();
        auto const start = clock::now();
        coir::sleep(hours(1));
        EXPECT_EQ(clock::now() - start, hours(1));
    });
}

TEST(virtual_time, a_plain_thread_may_hand_work_in) {
    coir::runtime home(runtime_options{.workers = 2, .virtual_time = true});
    for (int i = 0; i < 100; ++i) {
        auto const slept = home.block_on([] {
            auto const start = clock::now();
            coir::sleep(hours(1));
            return clock::now() - start;
        });
        EXPECT_EQ(slept, hours(1));
    }
}

TEST(wait_all_blocked, returns_when_the_other_tasks_wait) {
    for (bool const is_virtual : {false, true}) {
        for (unsigned const workers : {1u, 4u}) {
            run(runtime_options{.workers = workers, .virtual_time = is_virtual}, [] {
                coir::event go;
                std::atomic<int> waiting = 0;
                std::vector<coir::task<void>> tasks;
                for (int i = 0; i < 20; ++i) {
                    tasks.push_back(spawn([&, i] {
                        for (int k = 0; k < i; ++k) {
                            coir::yield();
                        }
                        ++waiting;
                        go.wait();
                        --waiting;
                    }));
                }
                coir::testing::wait_all_blocked();
                EXPECT_EQ(waiting, 20);
                go.set();
                coir::testing::wait_all_blocked();
                EXPECT_EQ(waiting, 0);
                for (auto& t : tasks) {
                    t.get();
                }
            });
        }
    }
}

TEST(wait_all_blocked, lets_virtual_time_stand_still) {
    with_virtual_time([] {
        auto const start = clock::now();
        auto sleeper = spawn([] { coir::sleep(hours(1)); });
        coir::testing::wait_all_blocked();
        EXPECT_EQ(clock::now(), start);
        EXPECT_FALSE(sleeper.done());
        sleeper.get();
        EXPECT_EQ(clock::now() - start, hours(1));
    });
}

TEST(wait_all_blocked, wakes_all_who_wait_for_it) {
    with_virtual_time([] {
        auto other = spawn([] { coir::testing::wait_all_blocked(); });
        coir::testing::wait_all_blocked();
        other.get();
    });
}

TEST(wait_all_blocked, outside_of_a_runtime_is_refused) {
    EXPECT_THROW(coir::testing::wait_all_blocked(), coir::no_running_runtime);
}

}  // namespace
