// SPDX-License-Identifier: BSL-1.0
//
// A task that suspends with a lock of the system's in its hands is told of, with both places; nobody else is. Builds
// without the check have no such tests.

#include "core/base/held_locks.hpp"

#if COIR_CHECK_HELD_LOCKS

#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/core/base/config.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

namespace coir {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

struct seen_report {
    std::string task;
    std::string holder;
    void const* lock;
    detail::call_stack locked_at;
    detail::call_stack suspended_at;
};

std::mutex reports_lock;
std::vector<seen_report> reports;

class held_locks : public testing::Test {
protected:
    held_locks() {
        reports.clear();
        before_ = detail::on_held_lock([](detail::held_lock_report const& r) {
            std::lock_guard const guard(reports_lock);
            reports.push_back({r.task, r.holder != nullptr ? *r.holder : r.task, r.lock, r.locked_at, r.suspended_at});
        });
    }
    ~held_locks() override { detail::on_held_lock(before_); }

private:
    detail::held_lock_handler before_;
};

// Where a call that the two below have made returns to.
struct place {
    void* begin = nullptr;
    void* end = nullptr;
};
place lock_place;
place yield_place;

COIR_NOIPA void* here() {
    asm volatile("" ::: "memory");
    return __builtin_return_address(0);
}

COIR_NOIPA void lock_here(std::mutex& m) {
    lock_place.begin = here();
    m.lock();
    lock_place.end = here();
}

COIR_NOIPA void yield_here() {
    yield_place.begin = here();
    yield();
    yield_place.end = here();
}

bool leads_through(detail::call_stack const& stack, place const& p) {
    return std::any_of(stack.frames, stack.frames + stack.size,
                       [&p](void* frame) { return frame > p.begin && frame < p.end; });
}

void on_one_worker(std::function<void()> const& body) {
    run(runtime_options{.workers = 1, .stall_threshold = 0ns}, [&body] { body(); });
}

TEST_F(held_locks, task_that_suspends_is_reported_with_both_places) {
    std::mutex m;
    on_one_worker([&] {
        spawn(task_options{.name = "careless"}, [&] {
            lock_here(m);
            yield_here();
            m.unlock();
        }).get();
    });
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_EQ(reports[0].task, "careless");
    EXPECT_EQ(reports[0].holder, "careless");
    EXPECT_EQ(reports[0].lock, m.native_handle());
    EXPECT_TRUE(leads_through(reports[0].locked_at, lock_place));
    EXPECT_FALSE(leads_through(reports[0].locked_at, yield_place));
    EXPECT_TRUE(leads_through(reports[0].suspended_at, yield_place));
    EXPECT_FALSE(leads_through(reports[0].suspended_at, lock_place));
}

TEST_F(held_locks, every_way_to_lock_and_to_suspend_counts) {
    std::mutex plain;
    std::timed_mutex timed;
    std::recursive_mutex recursive;
    std::shared_mutex shared;
    event gate;
    std::size_t expected = 0;
    auto const one_more = [&](char const* what) { EXPECT_EQ(reports.size(), ++expected) << what; };
    on_one_worker([&] {
        {
            std::unique_lock const held(plain, std::try_to_lock);
            yield();
            one_more("try_lock, yield");
        }
        {
            std::unique_lock const held(timed, 1h);
            sleep(1us);
            one_more("try_lock_for, sleep");
        }
        {
            std::shared_lock const held(shared);
            EXPECT_FALSE(gate.wait_for(1us));
            one_more("lock_shared, wait_for");
        }
        {
            std::unique_lock const held(shared);
            auto other = spawn([] { yield(); });
            other.get();
            one_more("lock of a shared_mutex, get of a task that is run in place");
        }
        {
            std::lock_guard const outer(recursive);
            { std::lock_guard const inner(recursive); }
            yield();
            one_more("recursive");
            yield();
            EXPECT_EQ(reports.size(), expected) << "it has been told";
        }
        {
            std::lock_guard const held(plain);
            blocking([] {});
            one_more("blocking");
        }
        {
            std::lock_guard const held(plain);
            spawn(task_options{.eager = true}, [] {}).get();
            one_more("an eager task");
        }
        {
            std::unique_lock<std::mutex> const held = blocking([&] { return std::unique_lock(plain); });
            one_more("locked in blocking code, and kept");
        }
        std::scoped_lock const both(plain, timed);
        yield();
        expected += 1;
        one_more("two at once");
    });
}

TEST_F(held_locks, task_that_suspends_in_the_place_of_another_one_is_told_from_who_has_locked) {
    std::mutex outer;
    std::mutex between;
    on_one_worker([&] {
        std::lock_guard const held(outer);
        spawn(task_options{.name = "middle"}, [&] {
            std::lock_guard const held_too(between);
            spawn([] {}).get();  // that one has come and gone
            spawn(task_options{.name = "inner"}, [] { yield(); }).get();
        }).get();
    });
    ASSERT_EQ(reports.size(), 2u);
    EXPECT_EQ(reports[0].task, "inner");
    EXPECT_EQ(reports[0].lock, outer.native_handle());
    EXPECT_EQ(reports[0].holder, "main");
    EXPECT_EQ(reports[1].task, "inner");
    EXPECT_EQ(reports[1].lock, between.native_handle());
    EXPECT_EQ(reports[1].holder, "middle");
}

TEST_F(held_locks, who_has_had_another_task_in_his_place_holds_his_locks_again) {
    std::mutex m;
    on_one_worker([&] {
        std::lock_guard const held(m);
        spawn(task_options{.name = "inner"}, [] {}).get();
        yield();
    });
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_EQ(reports[0].task, "main");
    EXPECT_EQ(reports[0].holder, "main");
}

TEST_F(held_locks, nothing_is_said_of_locks_that_nobody_suspends_with) {
    test::on_one_and_four_workers([&] {
        std::mutex m;
        lock_here(m);
        m.unlock();
        yield();
        {
            std::lock_guard const held(m);
            std::thread([&m] { EXPECT_FALSE(m.try_lock()); }).join();
            auto unawaited = spawn([] {});  // spawning does not suspend
            mutex free_one;
            std::lock_guard const not_waited_for(free_one);
        }
        yield();
        // One that the task has not got.
        std::thread holder;
        std::atomic<bool> locked{false};
        std::atomic<bool> enough{false};
        holder = std::thread([&] {
            std::lock_guard const held(m);
            locked = true;
            while (!enough) {
                std::this_thread::yield();
            }
        });
        test::yield_until([&] { return locked.load(); });
        EXPECT_FALSE(m.try_lock());
        yield();
        enough = true;
        holder.join();
    });
    EXPECT_TRUE(reports.empty());
}

TEST_F(held_locks, condition_variables_in_blocking_code_and_jobs_in_pools_are_free_to_wait) {
    test::on_one_and_four_workers([] {
        std::mutex m;
        std::condition_variable changed;
        bool ready = false;
        auto waits = spawn([&] {
            blocking([&] {
                std::unique_lock held(m);
                changed.wait(held, [&] { return ready; });
            });
            yield();
        });
        auto job = run_in_executor([&] {
            std::lock_guard const held(m);
            std::this_thread::sleep_for(1ms);
            ready = true;
            changed.notify_all();
        });
        job.get();
        waits.get();
    });
    EXPECT_TRUE(reports.empty());
}

TEST_F(held_locks, tasks_that_migrate_between_locks_are_not_confused_with_each_other) {
    run(runtime_options{.workers = 4}, [] {
        std::mutex m;
        int counter = 0;
        std::vector<task<void>> made;
        for (int i = 0; i < 50; ++i) {
            made.push_back(spawn([&] {
                for (int turn = 0; turn < 100; ++turn) {
                    {
                        std::lock_guard const held(m);
                        ++counter;
                    }
                    yield();
                }
            }));
        }
        for (auto& t : made) {
            t.get();
        }
        EXPECT_EQ(counter, 5000);
    });
    EXPECT_TRUE(reports.empty());
}

TEST_F(held_locks, lock_of_a_task_that_has_ended_is_not_blamed_on_the_next_one) {
    std::mutex m;
    on_one_worker([&] {
        spawn([&] { m.lock(); }).wait();
        event gate;
        auto other = spawn([&] { gate.wait(); });
        yield();
        gate.set();
        other.get();
    });
    m.unlock();
    EXPECT_LE(reports.size(), 1u);  // the main task's, if the first one ran in its place
    for (auto const& r : reports) {
        EXPECT_EQ(r.lock, m.native_handle());
    }
}

TEST_F(held_locks, message_names_the_task_and_comes_once_for_each_pair_of_places) {
    detail::on_held_lock(nullptr);
    std::mutex m;
    testing::internal::CaptureStderr();
    on_one_worker([&] {
        for (int round = 0; round < 3; ++round) {
            spawn(task_options{.name = "careless"}, [&] {
                lock_here(m);
                yield_here();
                m.unlock();
            }).get();
        }
    });
    std::string const text = testing::internal::GetCapturedStderr();
    EXPECT_THAT(text, HasSubstr("task 'careless' suspends while it holds the lock"));
    EXPECT_THAT(text, HasSubstr("locked at"));
    EXPECT_THAT(text, HasSubstr("suspended at"));
    EXPECT_EQ(text.find("careless"), text.rfind("careless"));
}

TEST_F(held_locks, message_names_both_the_holder_and_who_runs_in_his_place) {
    detail::on_held_lock(nullptr);
    std::mutex m;
    testing::internal::CaptureStderr();
    on_one_worker([&] {
        std::lock_guard const held(m);
        spawn(task_options{.name = "inner"}, [] { yield(); }).get();
    });
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                HasSubstr("task 'inner', which runs in the place of 'main', suspends while 'main' holds the lock"));
}

}  // namespace
}  // namespace coir

#endif
