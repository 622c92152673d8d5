// SPDX-License-Identifier: BSL-1.0
//
// Waiters lie on stacks, results in shared records: whoever wakes or completes must not touch them any more once the
// other side may have gone on.

#include "tests/support/running.hpp"

#include <coir/core/task/future.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/semaphore.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

// Overwrites what an ended frame has left below the caller.
COIR_NOINLINE void smash_the_stack_below() {
    unsigned char volatile bytes[4096];
    for (auto& b : bytes) {
        b = 0xff;
    }
}

template <class F>
COIR_NOINLINE void in_a_frame_of_its_own(F const& f) {
    f();
}

TEST(waiter_frame, may_end_right_after_the_wake_up) {
    on_one_and_four_workers([] {
        constexpr int k_rounds = 2'000;
        for (int round = 0; round < k_rounds; ++round) {
            promise<int> p;
            auto const f = p.get_future().share();
            std::vector<task<void>> waiters;
            for (int i = 0; i < 4; ++i) {
                waiters.push_back(spawn([f, i] {
                    in_a_frame_of_its_own([&] {
                        if (i % 2 == 0) {
                            f.wait();
                        } else {
                            f.wait_for(test::k_long_time);
                        }
                    });
                    smash_the_stack_below();
                }));
            }
            yield();
            p.set_value(round);
            for (auto& w : waiters) {
                w.get();
            }
        }
    });
}

TEST(waiter_frame, may_end_right_after_a_time_out_that_races_the_wake_up) {
    on_one_and_four_workers([] {
        constexpr int k_rounds = 2'000;
        for (int round = 0; round < k_rounds; ++round) {
            promise<int> p;
            auto const f = p.get_future().share();
            auto waiter = spawn([&] {
                in_a_frame_of_its_own([&] { f.wait_for(std::chrono::microseconds(round % 30)); });
                smash_the_stack_below();
            });
            auto setter = spawn([&] { p.set_value(1); });
            waiter.get();
            setter.get();
        }
    });
}

TEST(waiter_frame, waiters_that_wait_again_at_once_are_all_woken_again) {
    on_one_and_four_workers([] {
        constexpr int k_rounds = 500;
        constexpr int k_waiters = 16;
        std::vector<promise<void>> promises(k_rounds);
        std::vector<shared_future<void>> futures;
        for (auto& p : promises) {
            futures.push_back(p.get_future().share());
        }
        std::atomic<int> passed{0};
        std::vector<task<void>> waiters;
        for (int i = 0; i < k_waiters; ++i) {
            waiters.push_back(spawn([&] {
                for (auto const& f : futures) {
                    f.get();
                    passed.fetch_add(1);
                }
            }));
        }
        for (int round = 0; round < k_rounds; ++round) {
            promises[static_cast<std::size_t>(round)].set_value();
            if (round % 2 == 0) {
                yield();
            }
        }
        for (auto& w : waiters) {
            w.get();
        }
        EXPECT_EQ(passed, k_rounds * k_waiters);
    });
}

TEST(waiter_frame, thread_may_end_right_after_the_wake_up) {
    constexpr int k_rounds = 300;
    runtime rt(runtime_options{.workers = 2});
    for (int round = 0; round < k_rounds; ++round) {
        promise<void> p;
        auto const f = p.get_future().share();
        std::vector<std::thread> threads;
        for (int i = 0; i < 3; ++i) {
            threads.emplace_back([f] { f.wait(); });
        }
        auto setter = rt.spawn([&] { p.set_value(); });
        for (auto& t : threads) {
            t.join();
        }
        setter.get();
    }
}

TEST(future_lifetime, getter_may_destroy_both_ends_while_the_setter_returns) {
    on_one_and_four_workers([] {
        constexpr int k_rounds = 5'000;
        std::vector<task<void>> setters;
        for (int round = 0; round < k_rounds; ++round) {
            {
                promise<int> p;
                auto f = p.get_future();
                setters.push_back(spawn([&p, round] { p.set_value(round); }));
                EXPECT_EQ(f.get(), round);
            }
            smash_the_stack_below();
        }
        for (auto& s : setters) {
            s.get();
        }
    });
}

TEST(future_lifetime, getter_on_a_thread_may_destroy_both_ends_while_the_setter_returns) {
    constexpr int k_rounds = 2'000;
    runtime rt(runtime_options{.workers = 2});
    for (int round = 0; round < k_rounds; ++round) {
        task<void> setter;
        {
            auto p = std::make_unique<promise<int>>();
            auto f = p->get_future();
            setter = rt.spawn([q = p.get(), round] { q->set_value(round); });
            EXPECT_EQ(f.get(), round);
        }
        setter.get();
    }
}

TEST(future_lifetime, two_setters_race_for_one_value) {
    on_one_and_four_workers([] {
        constexpr int k_rounds = 1'000;
        for (int round = 0; round < k_rounds; ++round) {
            promise<int> p;
            auto f = p.get_future();
            auto a = spawn([&] { return p.try_set_value(1); });
            auto b = spawn([&] { return p.try_set_value(2); });
            auto c = spawn([&] { return f.cancel(); });
            int const winners = int{a.get()} + int{b.get()} + int{c.get()};
            EXPECT_EQ(winners, 1);
            EXPECT_TRUE(f.done());
        }
    });
}

TEST(future_lifetime, abandoned_promise_wakes_its_waiters_with_broken_promise) {
    on_one_and_four_workers([] {
        constexpr int k_rounds = 500;
        for (int round = 0; round < k_rounds; ++round) {
            std::optional<promise<int>> p(std::in_place);
            auto f = p->get_future();
            auto waiter = spawn([f = std::move(f)]() mutable { EXPECT_THROW(f.get(), broken_promise); });
            if (round % 2 == 0) {
                yield();
            }
            p.reset();
            waiter.get();
        }
    });
}

TEST(event_lifetime, waiter_may_destroy_the_event_as_soon_as_its_wait_has_returned) {
    on_one_and_four_workers([] {
        constexpr int k_rounds = 3'000;
        std::vector<task<void>> setters;
        for (int round = 0; round < k_rounds; ++round) {
            {
                event done;
                setters.push_back(spawn([&done] { done.set(); }));
                done.wait();
            }
            smash_the_stack_below();
        }
        for (auto& s : setters) {
            s.get();
        }
    });
}

TEST(event_lifetime, acquirer_may_destroy_the_semaphore_as_soon_as_it_has_its_permit) {
    on_one_and_four_workers([] {
        constexpr int k_rounds = 3'000;
        std::vector<task<void>> releasers;
        for (int round = 0; round < k_rounds; ++round) {
            {
                semaphore done(0);
                releasers.push_back(spawn([&done] { done.release(); }));
                done.acquire();
            }
            smash_the_stack_below();
        }
        for (auto& r : releasers) {
            r.get();
        }
    });
}

TEST(runtime_lifetime, runtime_may_end_while_a_foreign_thread_returns_from_waking_its_last_task) {
    constexpr int k_rounds = 300;
    for (int round = 0; round < k_rounds; ++round) {
        promise<int> p;
        auto f = p.get_future();
        std::thread setter([&] { p.set_value(round); });
        EXPECT_EQ(run(runtime_options{.workers = 2}, [&] { return f.get(); }), round);
        setter.join();
    }
}

}  // namespace
}  // namespace coir
