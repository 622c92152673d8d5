// SPDX-License-Identifier: BSL-1.0
//
// The only task that is ready belongs to the worker of whoever woke it, if that one then waits; and to others, if it computes.

#include <coir/coir.hpp>
#include <coir/core/base/config.hpp>
#include <coir/net.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include <sys/socket.h>
#include <unistd.h>

namespace {

void wake_each_other(int rounds) {
    coir::semaphore there(0);
    coir::semaphore back(0);
    auto other = coir::spawn([&] {
        for (int i = 0; i < rounds; ++i) {
            there.acquire();
            back.release();
        }
    });
    for (int i = 0; i < rounds; ++i) {
        there.release();
        back.acquire();
    }
    other.get();
}

TEST(lone_task, tasks_that_wake_each_other_in_turn_stay_on_one_worker) {
    if (COIR_TSAN || COIR_ASAN) {
        GTEST_SKIP() << "what takes longer than a theft is worth one";
    }
    constexpr int k_rounds = 200'000;
    coir::runtime rt(coir::runtime_options{.workers = 2});
    auto const begin = std::chrono::steady_clock::now();
    rt.block_on([] { wake_each_other(k_rounds); });
    auto const elapsed = std::chrono::steady_clock::now() - begin;
    // One is tried every two milliseconds. If each may be taken, it is one round in 8 to 140.
    EXPECT_LT(rt.stats().tasks_stolen,
              k_rounds / 200u + static_cast<std::uint64_t>(elapsed / std::chrono::milliseconds(2)));
}

TEST(lone_task, runs_elsewhere_though_its_worker_has_kept_others_before) {
    constexpr int k_times = 20;
    coir::runtime rt(coir::runtime_options{.workers = 2});
    rt.block_on([] {
        coir::semaphore turn(0);
        std::atomic<int> turns{0};
        auto other = coir::spawn([&] {
            for (int i = 0; i < k_times; ++i) {
                turn.acquire();
                ++turns;
            }
        });
        for (int i = 1; i <= k_times; ++i) {
            wake_each_other(5'000);
            turn.release();
            while (turns != i) {  // computes
            }
        }
        other.get();
    });
}

// The worker that has seen the event goes on with the task itself.
TEST(lone_task, that_an_event_has_made_ready_needs_no_other_worker) {
    constexpr int k_requests = 50;
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    coir::runtime rt(coir::runtime_options{.workers = 2});
    auto server = rt.spawn([end = ends[0]] {
        char byte = 0;
        do {
            coir::net::wait_readable(end);
        } while (::read(end, &byte, 1) == 1 && ::write(end, &byte, 1) == 1);
    });
    auto const before = rt.stats().wakeups;
    char byte = 'x';
    for (int i = 0; i < k_requests; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(3));  // so long that a useless wake-up is forgotten
        ASSERT_EQ(::write(ends[1], &byte, 1), 1);
        ASSERT_EQ(::read(ends[1], &byte, 1), 1);
    }
    EXPECT_LT(rt.stats().wakeups - before, k_requests / 5u);
    ::close(ends[1]);
    server.get();
    ::close(ends[0]);
}

// Nor does one that a thread has made ready: whoever was woken for it, as the only one to search, has found all there is.
TEST(lone_task, that_another_thread_has_made_ready_needs_no_other_worker) {
    constexpr int k_requests = 50;
    coir::runtime rt(coir::runtime_options{.workers = 2});
    coir::semaphore requests(0);
    coir::semaphore answers(0);
    auto server = rt.spawn([&] {
        for (int i = 0; i < k_requests; ++i) {
            requests.acquire();
            answers.release();
        }
    });
    auto const before = rt.stats().wakeups;
    for (int i = 0; i < k_requests; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
        requests.release();
        answers.acquire();
    }
    EXPECT_LT(rt.stats().wakeups - before, k_requests / 5u);
    server.get();
}

}  // namespace
