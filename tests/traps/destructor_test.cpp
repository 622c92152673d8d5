// SPDX-License-Identifier: BSL-1.0
//
// A cancellation that leaves a destructor ends the process, and one that leaves a wait on a condition variable without
// the lock breaks its caller.

#include "tests/support/running.hpp"

#include <coir/core/task/task_group.hpp>
#include <coir/sync/condition_variable.hpp>
#include <coir/sync/mutex.hpp>

#include <atomic>
#include <mutex>
#include <stdexcept>

namespace coir {
namespace {

using test::on_one_and_four_workers;
using test::sleep_forever;
using test::yield_until_waiting;

TEST(destructor_cancellation, group_that_dies_in_a_cancelled_task_waits_and_does_not_throw) {
    on_one_and_four_workers([] {
        std::atomic<int> cleaned_up{0};
        auto t = spawn([&] {
            {
                task_group group;
                for (int i = 0; i < 3; ++i) {
                    group.spawn([&] {
                        try {
                            sleep_forever();
                        } catch (cancelled const&) {
                            yield();
                            cleaned_up.fetch_add(1);
                            throw;
                        }
                    });
                }
                sleep(test::k_a_moment);
                current_task().cancel();
            }  // no exception is under way here: only the group's own care keeps the request back
            EXPECT_THROW(yield(), cancelled);
        });
        t.get();
        EXPECT_LE(cleaned_up, 3);
        EXPECT_FALSE(t.cancelled());
    });
}

TEST(destructor_cancellation, group_that_dies_while_a_cancellation_unwinds_waits_for_its_children) {
    on_one_and_four_workers([] {
        std::atomic<bool> ended{false};
        auto t = spawn([&] {
            task_group group;
            auto child = group.spawn([&] {
                try {
                    sleep_forever();
                } catch (cancelled const&) {
                    sleep(test::k_a_moment);
                    ended = true;
                    throw;
                }
            });
            yield_until_waiting(child);
            sleep_forever();
        });
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_TRUE(ended);
    });
}

struct waits_when_it_dies {
    ~waits_when_it_dies() {
        sleep(test::k_a_moment);
        current_task().cancel();
        yield();
    }
};

TEST(destructor_cancellation, request_that_comes_while_the_stack_unwinds_waits_for_the_end_of_that) {
    on_one_and_four_workers([] {
        auto t = spawn([] {
            try {
                waits_when_it_dies const waits;
                throw std::runtime_error("unwinds");
            } catch (std::runtime_error const&) {
            }
            EXPECT_THROW(yield(), cancelled);
        });
        t.get();
    });
}

TEST(destructor_cancellation, shield_of_the_user_lets_a_destructor_wait) {
    struct flushes {
        bool* flushed;
        ~flushes() {
            cancel_shield const shield;
            sleep(test::k_a_moment);
            *flushed = true;
        }
    };
    on_one_and_four_workers([] {
        bool flushed = false;
        auto t = spawn([&] {
            flushes const at_the_end{&flushed};
            current_task().cancel();
        });
        t.get();
        EXPECT_TRUE(flushed);
    });
}

TEST(condition_variable_cancellation, cancelled_wait_holds_the_lock_when_it_throws) {
    on_one_and_four_workers([] {
        mutex m;
        condition_variable cv;
        int inside = 0;
        auto t = spawn([&] {
            std::unique_lock lock(m);
            try {
                cv.wait(lock);
                ADD_FAILURE();
            } catch (cancelled const&) {
                EXPECT_TRUE(lock.owns_lock());
                EXPECT_FALSE(m.try_lock());
                ++inside;
                yield();
                EXPECT_EQ(--inside, 0);
                throw;
            }
        });
        yield_until_waiting(t);
        std::unique_lock lock(m);
        t.cancel();
        ++inside;
        for (int i = 0; i < 20; ++i) {
            yield();  // the waiter is cancelled, and has to wait for the lock
        }
        EXPECT_FALSE(t.done());
        EXPECT_EQ(--inside, 0);
        lock.unlock();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_TRUE(m.try_lock());
        m.unlock();
    });
}

}  // namespace
}  // namespace coir
