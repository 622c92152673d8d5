// SPDX-License-Identifier: BSL-1.0
//
// A cancellation that leaves a destructor or another noexcept frame ends the process, one that leaves a wait on a condition
// variable without the lock breaks its caller, and one that a catch-all swallows must not be the last.

#include "tests/support/running.hpp"

#include <coir/core/task/future.hpp>
#include <coir/core/task/task_group.hpp>
#include <coir/sync/condition_variable.hpp>
#include <coir/sync/mutex.hpp>

#include <gmock/gmock.h>

#include <atomic>
#include <cstdio>
#include <istream>
#include <mutex>
#include <stdexcept>
#include <streambuf>
#include <string>

namespace coir {
namespace {

using test::on_one_and_four_workers;
using test::sleep_forever;
using test::yield_until;
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

TEST(swallowed_cancellation, loop_with_a_catch_all_sees_every_request) {
    on_one_and_four_workers([] {
        constexpr unsigned k_requests = 20;
        std::atomic<unsigned> swallowed{0};
        auto t = spawn([&] {
            while (current_task().cancelling() < k_requests) {
                try {
                    sleep_forever();
                } catch (...) {
                    swallowed.fetch_add(1);
                }
            }
            EXPECT_NO_THROW(yield());  // each is thrown once
        });
        for (unsigned i = 0; i < k_requests; ++i) {
            yield_until([&] { return swallowed == i; });
            yield_until_waiting(t);
            EXPECT_TRUE(t.cancel());
        }
        t.get();
        EXPECT_EQ(swallowed, k_requests);
    });
}

TEST(swallowed_cancellation, shutdown_ends_a_loop_with_a_catch_all) {
    constexpr int k_rounds = 1000;
    for (unsigned const workers : {1u, 4u}) {
        std::atomic<int> swallowed{0};
        std::atomic<int> went_on{0};
        run(runtime_options{.workers = workers}, [&] {
            auto t = spawn([&] {
                try {
                    sleep_forever();
                } catch (...) {
                    swallowed.fetch_add(1);
                }
                while (swallowed < k_rounds && went_on == 0) {
                    try {
                        if (swallowed % 2 == 0) {
                            yield();
                        } else {
                            sleep(test::k_a_moment);
                        }
                        went_on.fetch_add(1);
                    } catch (...) {
                        swallowed.fetch_add(1);
                    }
                }
            });
            yield_until_waiting(t);
        });
        EXPECT_EQ(swallowed, k_rounds) << workers;
        EXPECT_EQ(went_on, 0) << workers;
    }
}

// Formatted input catches whatever the buffer throws, and says it by a bit.
TEST(swallowed_cancellation, stream_that_swallows_it_says_so) {
    struct waits : std::streambuf {
        int_type underflow() override {
            sleep_forever();
            return traits_type::eof();
        }
    };
    on_one_and_four_workers([] {
        for (bool const throws : {false, true}) {
            auto t = spawn([throws] {
                waits buffer;
                std::istream in(&buffer);
                if (throws) {
                    in.exceptions(std::ios::badbit);
                }
                std::string word;
                in >> word;
                EXPECT_TRUE(in.bad());
                EXPECT_EQ(current_task().cancelling(), 1u);
                EXPECT_NO_THROW(yield());
            });
            yield_until_waiting(t);
            t.cancel();
            t.wait();
            EXPECT_EQ(t.cancelled(), throws);
        }
    });
}

class noexcept_frame : public testing::Test {
protected:
    void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(noexcept_frame, ends_the_process_when_a_cancellation_crosses_it) {
    EXPECT_DEATH(run(runtime_options{.workers = 1},
                     [] {
                         auto const wait_noexcept = []() noexcept { sleep_forever(); };
                         auto t = spawn([&] {
                             try {
                                 wait_noexcept();
                             } catch (cancelled const&) {
                                 std::fputs("it was caught outside\n", stderr);
                             }
                         });
                         yield_until_waiting(t);
                         t.cancel();
                         t.wait();
                     }),
                 testing::AllOf(testing::HasSubstr("terminate called"), testing::HasSubstr("coir::cancelled"),
                                testing::Not(testing::HasSubstr("caught outside"))));
}

TEST_F(noexcept_frame, holds_a_shield_to_be_spared) {
    on_one_and_four_workers([] {
        promise<void> p;
        auto t = spawn([f = p.get_future()]() mutable {
            [&]() noexcept {
                cancel_shield const shield;
                f.get();
            }();
            EXPECT_THROW(yield(), cancelled);
        });
        yield_until_waiting(t);
        t.cancel();
        p.set_value();
        t.get();
    });
}

}  // namespace
}  // namespace coir
