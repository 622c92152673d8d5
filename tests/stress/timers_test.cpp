// SPDX-License-Identifier: BSL-1.0
//
// Timers: set, taken back, moved to another worker and fired by whoever comes first, under their own lock and by way of tasks.

#include "core/time/timers.hpp"

#include "tests/support/nothing_left.hpp"
#include "tests/support/racing.hpp"

#include <coir/core/task/sleep.hpp>
#include <coir/core/task/timeout.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <thread>
#include <vector>

namespace coir {
namespace {

using timers = test::stress;
using std::chrono::microseconds;
using test::a_blink;

// --- the heaps ---------------------------------------------------------------------------------------------------------

// An operation is a timer that is set, taken back (or found to have fired), or fired.
//
// A clock that threads push on, and one heap a worker. Whoever sleeps is played by a node that goes from worker to worker: the
// one that has it sets it in its own heap, or takes it back from wherever it is. Meanwhile any worker fires what is due
// in any heap, as in a take-over.
class heaps {
public:
    heaps(std::size_t workers, std::size_t sleepers) : heaps_(workers), sleepers_(sleepers) {}

    void work(std::size_t self, std::uint64_t seed, int times) {
        std::minstd_rand local(static_cast<unsigned>(seed + self));
        auto& own = heaps_[self];
        std::uint64_t operations = 0;
        for (int i = 0; i < times; ++i) {
            sleeper& s = sleepers_[local() % sleepers_.size()];
            if (!s.busy.exchange(true, std::memory_order_acquire)) {
                if (s.set) {
                    s.take_back();
                    ++operations;
                }
                if (local() % 8 != 0) {
                    s.set_in(own, now() + clock::duration(local() % 2'000));
                    ++operations;
                }
                s.busy.store(false, std::memory_order_release);
            }
            if (local() % 4 == 0) {
                fire(local() % 4 != 0 ? own : heaps_[local() % heaps_.size()], 1 + local() % 32);
            }
            now_.fetch_add(1, std::memory_order_relaxed);
        }
        test::stress::did(operations);
    }

    // What is still set is fired, all of it. Returns how many were fired before: none, perhaps, if there is one sleeper only.
    std::size_t finish() {
        now_.fetch_add(1'000'000);
        for (auto& heap : heaps_) {
            heap.fire_due(now(), ~std::size_t{0});
            EXPECT_EQ(heap.size(), 0u);
            EXPECT_EQ(heap.next_deadline(), clock::time_point::max());
        }
        for (sleeper& s : sleepers_) {
            if (s.set) {
                s.take_back();
                EXPECT_EQ(s.fired, 1);
            }
        }
        EXPECT_EQ(wrong, 0);
        test::stress::did(fired_);
        return fired_;
    }

private:
    struct sleeper : detail::timer_node {
        std::atomic<bool> busy{false};  // who waits does one thing at a time
        heaps* all = nullptr;
        bool set = false;
        clock::time_point deadline;
        int fired = 0;  // since it was set; plain: remove() is what orders it

        void set_in(detail::timers& heap, clock::time_point when) {
            set = true;
            deadline = when;
            fired = 0;
            heap.reserve_one();
            heap.add(*this, when);
        }
        // Either it will not fire, or it has, once.
        void take_back() {
            bool const removed = detail::timers::remove(*this);
            all->wrong += fired != (removed ? 0 : 1);
            set = false;
        }
    };

    clock::time_point now() const { return clock::time_point(clock::duration(now_.load(std::memory_order_relaxed))); }

    void fire(detail::timers& heap, std::size_t limit) { fired_ += heap.fire_due(now(), limit); }

    static void fired(detail::timer_node& node) noexcept {
        auto& self = static_cast<sleeper&>(node);
        ++self.fired;
        self.all->wrong += self.deadline > self.all->now();
    }

    std::vector<detail::timers> heaps_;
    std::vector<sleeper> sleepers_;
    std::atomic<clock::rep> now_{0};
    std::atomic<std::size_t> fired_{0};

public:
    std::atomic<int> wrong{0};

    void prepare() {
        for (sleeper& s : sleepers_) {
            s.all = this;
            s.callback = &heaps::fired;
        }
    }
};

TEST_F(timers, each_fires_once_or_was_taken_back_whichever_worker_has_it) {
    few_faults();
    constexpr int k_times = 50'000;
    std::size_t fired = 0;
    while (another_round({.plain = 6, .sanitized = 118, .seconds = 60})) {
        std::size_t const count = workers();
        heaps all(count, 1 + below(500));
        all.prepare();
        std::uint64_t const seed = random()();
        std::latch start(static_cast<std::ptrdiff_t>(count));
        std::vector<std::thread> threads;
        for (std::size_t self = 0; self < count; ++self) {
            threads.emplace_back([&, self] {
                start.arrive_and_wait();
                all.work(self, seed, k_times / static_cast<int>(count));
            });
        }
        for (auto& thread : threads) {
            thread.join();
        }
        fired += all.finish();
    }
    EXPECT_GT(fired, 0u) << "nothing was tested";
}

// --- tasks -------------------------------------------------------------------------------------------------------------

// Sleeps, limits that are set, nested and taken back, and cancellations, while some tasks compute until a sleeper has woken: it
// may stand in the heap of the very worker that they keep, whose timers another one must take over then.
TEST_F(timers, sleepers_wake_in_time_though_others_compute_and_cancel) {
    constexpr int k_sleepers = 24;
    constexpr int k_each = 200;
    while (another_round({.plain = 3, .sanitized = 6})) {
        unsigned const count = workers();
        runtime rt(runtime_options{.workers = count});
        std::atomic<int> too_early{0};
        std::atomic<bool> stop{false};
        auto const sleepers = test::repeating(rt, k_sleepers, k_each, random(), [&](std::mt19937_64& local) {
            auto const due = clock::now() + a_blink(local);
            switch (local() % 4) {
            case 0:
                sleep_until(due);
                too_early += clock::now() < due;
                break;
            case 1:
                try {
                    with_timeout(a_blink(local), [&] { sleep_until(due); });
                    too_early += clock::now() < due;
                } catch (timeout_error const&) {
                }
                break;
            case 2:
                try {
                    with_timeout(a_blink(local), [&] { with_timeout(a_blink(local), [&] { yield(); }); });
                } catch (timeout_error const&) {
                }
                break;
            default:
                with_timeout(std::chrono::hours(1), [] { yield(); });  // set, and taken back from amid the heap
            }
        });
        // One less than there are workers: somebody has to be there to take over.
        std::vector<task<void>> computing;
        for (unsigned i = 0; i < std::min(count - 1, 3u); ++i) {
            computing.push_back(rt.spawn([&stop] {
                while (!stop) {
                    std::atomic<bool> woken{false};
                    auto sleeper = spawn([&woken] {
                        sleep(microseconds(20));
                        woken = true;
                    });
                    test::yield_until([&] { return test::is_waiting(sleeper) || sleeper.done(); });
                    while (!woken) {
                        std::this_thread::yield();
                    }
                    sleeper.get();
                    sleep(microseconds(100));
                }
            }));
        }
        test::cancel_until_all_end(rt, sleepers, random()());
        stop = true;
        for (auto& c : computing) {
            c.get();
        }
        EXPECT_EQ(too_early, 0);
    }
}

// Nothing but sleeps that end by themselves, each of which must: the more of them at a time, the less waiting.
TEST_F(timers, everybody_who_sleeps_wakes) {
    constexpr int k_sleepers = COIR_TSAN ? 500 : 2'000;
    constexpr int k_each = 20;
    while (another_round({.plain = 2, .sanitized = 4})) {
        runtime rt(runtime_options{.workers = workers()});
        std::atomic<int> woken{0};
        test::wait_for_all(test::repeating(rt, k_sleepers, k_each, random(), [&](std::mt19937_64& local) {
            sleep(microseconds(local() % 300));
            woken.fetch_add(1, std::memory_order_relaxed);
        }));
        EXPECT_EQ(woken, k_sleepers * k_each);
    }
}

}  // namespace
}  // namespace coir
