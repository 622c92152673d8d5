// SPDX-License-Identifier: BSL-1.0
//
// Waits with a deadline need room in a timer heap. When there is no memory for it, the waiter is told, and nothing else
// happens.

#include "core/time/timers.hpp"

#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/core/base/config.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

namespace {

// While it is set, whoever asks for more than a little is refused. A little, because a test's own machinery goes on.
std::atomic<bool> out_of_memory{false};
constexpr std::size_t k_a_little = 300;

}  // namespace

// Not in line: the compiler would take the one for a mismatch of the other.
COIR_NOINLINE void* operator new(std::size_t size) {
    if (size > k_a_little && out_of_memory.load(std::memory_order_relaxed)) {
        throw std::bad_alloc();
    }
    if (void* const memory = std::malloc(size)) {
        return memory;
    }
    throw std::bad_alloc();
}

COIR_NOINLINE void operator delete(void* memory) noexcept {
    std::free(memory);
}

COIR_NOINLINE void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace coir {
namespace {

using namespace std::chrono_literals;

// Afterwards there are stacks for so many tasks, and the timer heap has its first room.
void warm_up() {
    event gate;
    std::vector<task<void>> tasks;
    for (int i = 0; i < 300; ++i) {
        tasks.push_back(spawn([&gate] { gate.wait(); }));
    }
    sleep(1ms);
    gate.set();
    for (auto& t : tasks) {
        t.get();
    }
}

TEST(no_memory, sleepers_for_whose_timer_there_is_no_room_are_told) {
    // In virtual time nobody wakes, and leaves room to others, before all have tried to sleep.
    run(runtime_options{.workers = 1, .virtual_time = true}, [] {
        warm_up();
        constexpr int k_sleepers = 200;
        int slept = 0;
        int refused = 0;
        std::vector<task<void>> sleepers;
        for (int i = 0; i < k_sleepers; ++i) {
            sleepers.push_back(spawn([&] {
                try {
                    sleep(5ms);
                    ++slept;
                } catch (std::bad_alloc const&) {
                    ++refused;
                }
            }));
        }
        out_of_memory = true;
        yield();
        out_of_memory = false;
        for (auto& t : sleepers) {
            t.get();
        }
        EXPECT_EQ(slept + refused, k_sleepers);
        EXPECT_GT(refused, 0);
        EXPECT_GT(slept, 0);
        // And it works again.
        sleep(1ms);
    });
}

TEST(no_memory, waits_with_a_deadline_leave_nothing_behind_when_they_are_refused) {
    run(runtime_options{.workers = 1}, [] {
        warm_up();
        semaphore permits(0);
        channel<int> items(1);
        timed_mutex lock;
        lock.lock();
        int refused = 0;
        std::vector<task<void>> waiters;
        for (int i = 0; i < 120; ++i) {
            waiters.push_back(spawn([&, i] {
                try {
                    int out = 0;
                    switch (i % 3) {
                    case 0:
                        EXPECT_TRUE(permits.try_acquire_for(1h));
                        break;
                    case 1:
                        EXPECT_EQ(items.pop_for(1h, out), channel_status::closed);
                        break;
                    default:
                        EXPECT_TRUE(lock.try_lock_for(1h));
                        lock.unlock();
                    }
                } catch (std::bad_alloc const&) {
                    ++refused;
                }
            }));
        }
        out_of_memory = true;
        yield();
        out_of_memory = false;
        EXPECT_GT(refused, 0);
        // Whoever was refused stands in no list: everything reaches those who still wait.
        lock.unlock();
        permits.release(40);
        items.close();
        for (auto& w : waiters) {
            w.wait();
        }
        EXPECT_TRUE(lock.try_lock());
        lock.unlock();
    });
}

}  // namespace
}  // namespace coir
