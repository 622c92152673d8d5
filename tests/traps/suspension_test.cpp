// SPDX-License-Identifier: BSL-1.0
//
// A task makes itself known to who will wake it before it has left its stack; nobody may run it before it has. And of
// all that may end a wait exactly one does.

#include "tests/support/one_processor.hpp"
#include "tests/support/running.hpp"

#include <coir/core/base/config.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/core/task/task_base.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace coir {
namespace {

using detail::wake_reason;

// Fills a good part of the stack below the caller, and looks whether it stays.
COIR_NOINLINE bool stack_stays_mine(unsigned char mark) {
    unsigned char volatile bytes[512];
    for (auto& b : bytes) {
        b = mark;
    }
    for (auto const& b : bytes) {
        if (b != mark) {
            return false;
        }
    }
    return true;
}

TEST(suspension, task_that_is_woken_at_once_has_left_its_stack) {
    constexpr int k_rounds = 3'000;
    run(runtime_options{.workers = 4}, [] {
        // Each waits until a partner, spinning on another worker, wakes it: as early as it possibly can.
        std::vector<task<void>> pairs;
        std::atomic<int> inside{0};
        for (int pair = 0; pair < 2; ++pair) {
            pairs.push_back(spawn([&, pair] {
                std::atomic<promise<void>*> armed{nullptr};
                std::atomic<bool> stop{false};
                auto waker = spawn([&] {
                    while (!stop) {
                        if (promise<void>* const p = armed.exchange(nullptr)) {
                            p->set_value();
                        } else {
                            yield();
                        }
                    }
                });
                for (int round = 0; round < k_rounds; ++round) {
                    promise<void> p;
                    auto f = p.get_future();
                    int resumed = 0;
                    armed = &p;
                    f.wait();
                    ++resumed;
                    EXPECT_EQ(resumed, 1);
                    EXPECT_TRUE(stack_stays_mine(static_cast<unsigned char>(pair + 1)));
                    while (armed.load() != nullptr) {
                        yield();
                    }
                }
                stop = true;
                waker.get();
                inside.fetch_add(1);
            }));
        }
        for (auto& p : pairs) {
            p.get();
        }
        EXPECT_EQ(inside, 2);
    });
}

TEST(suspension, task_that_is_woken_by_a_spinning_thread_has_left_its_stack) {
    constexpr int k_rounds = 3'000;
    std::atomic<detail::waiter*> armed{nullptr};
    std::atomic<bool> stop{false};
    std::thread waker([&] {
        while (!stop) {
            if (detail::waiter* const who = armed.exchange(nullptr)) {
                detail::wake_list wakes;
                wakes.claim(*who);
                wakes.wake_all();
            }
        }
    });
    run(runtime_options{.workers = 4}, [&] {
        for (int round = 0; round < k_rounds; ++round) {
            detail::wait_point wait;
            armed = &wait.who();
            EXPECT_EQ(wait.suspend(), wake_reason::notified);
            EXPECT_TRUE(stack_stays_mine(static_cast<unsigned char>(round)));
        }
    });
    stop = true;
    waker.join();
}

// On one processor a worker is preempted anywhere, and then by one that looks for something to steal: also between the
// push of a task and the switch away from it.
TEST(suspension, task_that_was_woken_before_it_suspends_is_taken_after_it_has_left_its_stack) {
    constexpr int k_rounds = COIR_TSAN ? 5'000 : 300'000;
    test::on_one_processor const here;
    run(runtime_options{.workers = 2}, [&] {
        for (int round = 0; round < k_rounds; ++round) {
            detail::wait_point wait;
            detail::wake_list wakes;
            EXPECT_TRUE(wakes.claim(wait.who()));
            EXPECT_TRUE(wakes.empty());  // not suspended yet: nobody has to put it back to work
            int volatile resumed = round;
            EXPECT_EQ(wait.suspend(), wake_reason::notified);
            resumed = resumed + 1;
            EXPECT_EQ(resumed, round + 1);
        }
    });
}

TEST(suspension, task_that_yields_is_taken_after_it_has_left_its_stack) {
    constexpr int k_rounds = COIR_TSAN ? 20'000 : COIR_ASAN ? 500'000 : 15'000'000;
    test::on_one_processor const here;
    run(runtime_options{.workers = 2}, [&] {
        std::vector<task<void>> tasks;
        for (int i = 0; i < 2; ++i) {  // of more, a thief takes one that has waited longer
            tasks.push_back(spawn([] {
                for (int round = 0; round < k_rounds; ++round) {
                    int volatile resumed = round;
                    yield();
                    resumed = resumed + 1;
                    if (resumed != round + 1) {
                        FAIL() << "another one has run on this stack";
                    }
                }
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
    });
}

// What ends a wait in each round of the next test.
struct race {
    explicit race(detail::waiter& w) : who(&w) {}
    detail::waiter* who;
    std::atomic<int> winners{0};
    std::atomic<wake_reason> won{wake_reason::none};
    std::atomic<int> leavers{0};
};

TEST(suspension, exactly_one_of_all_that_may_end_a_wait_does) {
    constexpr int k_rounds = COIR_TSAN ? 1'000 : 5'000;
    constexpr int k_claimers = 3;
    constexpr std::array<wake_reason, k_claimers> k_reasons{wake_reason::notified, wake_reason::timed_out,
                                                            wake_reason::cancelled};
    run(runtime_options{.workers = 2}, [&] {
        std::atomic<race*> current{nullptr};
        std::atomic<int> round_number{0};
        std::atomic<bool> stop{false};
        std::vector<task<void>> claimers;
        for (int i = 0; i < k_claimers; ++i) {
            claimers.push_back(spawn([&, i] {
                for (int seen = 0; !stop;) {
                    if (round_number == seen) {
                        yield();
                        continue;
                    }
                    seen = round_number;
                    race& r = *current.load();
                    detail::wake_list wakes;
                    if (wakes.claim(*r.who, k_reasons[static_cast<std::size_t>(i)])) {
                        r.won = k_reasons[static_cast<std::size_t>(i)];
                        r.winners.fetch_add(1);
                    }
                    r.leavers.fetch_add(1);
                    wakes.wake_all();
                }
            }));
        }
        for (int round = 1; round <= k_rounds; ++round) {
            detail::wait_point wait;
            race r(wait.who());
            current = &r;
            round_number = round;
            wake_reason const reason = wait.suspend();
            test::yield_until([&] { return r.leavers == k_claimers; });
            EXPECT_EQ(r.winners, 1);
            EXPECT_EQ(reason, r.won);
        }
        stop = true;
        for (auto& c : claimers) {
            c.get();
        }
    });
}

TEST(suspension, notification_time_out_cancellation_and_destruction_race_for_one_outcome) {
    constexpr int k_rounds = 3'000;
    run(runtime_options{.workers = 4}, [&] {
        std::array<int, 5> outcomes{};
        for (int round = 0; round < k_rounds; ++round) {
            auto p = std::make_unique<promise<int>>();
            auto f = p->get_future();
            auto waiter = spawn([&] {
                // 0: ready, 1: time-out, 2: cancelled
                try {
                    return f.wait_for(std::chrono::microseconds(round % 20)) == std::future_status::ready ? 0 : 1;
                } catch (cancelled const&) {
                    return 2;
                }
            });
            auto canceller = spawn([&] { waiter.cancel(); });
            auto setter = spawn([&] {
                if (round % 2 == 0) {
                    p->set_value(round);
                } else {
                    p.reset();
                }
            });
            setter.get();
            canceller.get();
            waiter.wait();
            if (waiter.cancelled()) {
                ++outcomes[4];  // not even started
            } else {
                ++outcomes[static_cast<std::size_t>(waiter.get())];
            }
            EXPECT_TRUE(f.done());
            if (round % 2 == 0) {
                EXPECT_EQ(f.get(), round);
            } else {
                EXPECT_THROW(f.get(), broken_promise);
            }
        }
        int sum = 0;
        for (int const count : outcomes) {
            sum += count;
        }
        EXPECT_EQ(sum, k_rounds);
    });
}

}  // namespace
}  // namespace coir
