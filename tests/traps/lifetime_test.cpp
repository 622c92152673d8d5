// SPDX-License-Identifier: BSL-1.0
//
// Waiters lie on stacks, results in shared records: whoever wakes or completes must not touch them any more once the
// other side may have gone on.

#include "tests/support/all_asleep.hpp"
#include "tests/support/one_processor.hpp"
#include "tests/support/running.hpp"

#include <coir/core/base/config.hpp>
#include <coir/core/task/future.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/semaphore.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
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

TEST(waiter_frame, wait_that_has_timed_out_leaves_nothing_of_it_behind) {
    on_one_and_four_workers([] {
        constexpr int k_rounds = 100;
        for (int round = 0; round < k_rounds; ++round) {
            promise<int> p;
            auto f = p.get_future();
            in_a_frame_of_its_own(
                [&] { EXPECT_EQ(f.wait_for(std::chrono::microseconds(1)), std::future_status::timeout); });
            smash_the_stack_below();
            p.set_value(round);
            EXPECT_EQ(f.get(), round);
        }
    });
}

// Those that are woken together are linked with each other. Each is woken a second time at once, when the one that woke
// them all is preempted by the worker whose sleep it has ended.
TEST(waiter_frame, waiters_that_are_woken_again_while_the_others_wait_for_their_turn_lose_nobody) {
    constexpr int k_rounds = 300;
    constexpr int k_waiters = 4;
    test::on_one_processor const here;
    runtime rt(runtime_options{.workers = 2});
    for (int round = 0; round < k_rounds; ++round) {
        promise<void> p;
        auto const f = p.get_future().share();
        std::atomic<int> waiting{0};
        std::atomic<int> passed{0};
        std::vector<task<void>> waiters;
        for (int i = 0; i < k_waiters; ++i) {
            waiters.push_back(rt.spawn([&] {
                waiting.fetch_add(1);
                f.get();
                promise<void> again;
                auto woken = again.get_future();
                auto waker = spawn([&] { again.set_value(); });
                woken.get();
                passed.fetch_add(1);
                waker.get();
            }));
        }
        test::wait_unless_all_sleep([&] { return waiting == k_waiters && test::is_waiting(waiters.back()); }, "task",
                                    round);
        p.set_value();
        test::wait_unless_all_sleep([&] { return passed == k_waiters; }, "wake-up", round);
        for (auto& w : waiters) {
            w.get();
        }
    }
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

// The getter has gone on and destroyed everything, and has begun to use the memory again, before the setter that woke it
// has returned.
TEST(future_lifetime, setter_touches_nothing_that_the_getter_has_destroyed) {
    constexpr int k_rounds = 20;
    constexpr auto k_mark = std::byte{0x5a};
    test::on_one_processor const here;
    runtime rt(runtime_options{.workers = 1});
    std::atomic<promise<int>*> armed{nullptr};
    std::atomic<int> returned{0};
    auto getter = rt.spawn([&] {
        for (int round = 1; round <= k_rounds; ++round) {
            alignas(promise<int>) std::array<std::byte, sizeof(promise<int>)> room;
            auto* const p = new (room.data()) promise<int>;
            {
                auto f = p->get_future();
                armed = p;
                f.wait();
                EXPECT_EQ(f.get(), round);
                p->~promise();
            }
            room.fill(k_mark);
            promise<int> next;  // whose state most likely lies where that of the last one did
            auto const unset = next.get_future();
            while (returned != round) {
                sleep(test::k_a_moment / 10);  // so that the setter has its turn
            }
            EXPECT_FALSE(unset.done());
            EXPECT_EQ(std::count(room.begin(), room.end(), k_mark), std::ssize(room));
        }
    });
    std::thread setter([&] {
        test::give_way_to_all_others();
        for (int round = 1; round <= k_rounds; ++round) {
            test::yield_until([&] { return armed.load() != nullptr && test::is_waiting(getter); });
            armed.exchange(nullptr)->set_value(round);
            returned = round;
        }
    });
    setter.join();
    getter.get();
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

TEST(future_lifetime, of_two_threads_that_set_at_once_one_succeeds) {
    constexpr int k_laps = COIR_TSAN ? 2 : 40;
    constexpr std::size_t k_rounds = 10'000;
    for (int lap = 0; lap < k_laps && !HasFailure(); ++lap) {
        std::vector<promise<int>> promises(k_rounds);
        std::array<std::atomic<std::size_t>, 2> arrived{};
        std::array<std::vector<char>, 2> won{std::vector<char>(k_rounds), std::vector<char>(k_rounds)};
        auto const set_all = [&](std::size_t self) {
            for (std::size_t round = 0; round < k_rounds; ++round) {
                arrived[self] = round + 1;
                for (int spin = 0; arrived[1 - self] <= round; ++spin) {
                    spin < 1'000 ? detail::spin_pause() : std::this_thread::yield();
                }
                won[self][round] = static_cast<char>(promises[round].try_set_value(1));
            }
        };
        std::thread other([&] { set_all(1); });
        set_all(0);
        other.join();
        std::size_t once = 0;
        for (std::size_t round = 0; round < k_rounds; ++round) {
            once += won[0][round] + won[1][round] == 1;
        }
        EXPECT_EQ(once, k_rounds);
    }
}

TEST(future_lifetime, abandoned_promise_wakes_its_waiters_with_broken_promise) {
    on_one_and_four_workers([] {
        constexpr int k_rounds = 500;
        for (int round = 0; round < k_rounds; ++round) {
            std::optional<promise<int>> p(std::in_place);
            auto f = p->get_future();
            auto const done = f.share();
            auto waiter = spawn([done] { EXPECT_THROW(done.get(), broken_promise); });
            if (round % 2 == 0) {
                yield();
            }
            p.reset();
            bool const is_broken = done.done();
            EXPECT_TRUE(is_broken);
            if (!is_broken) {
                done.cancel();  // lest the waiter wait on
            }
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
