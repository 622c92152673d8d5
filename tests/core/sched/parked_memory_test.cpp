// SPDX-License-Identifier: BSL-1.0
//
// What tasks that wait cost, and what a runtime costs in which all of them wait.

#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/core/base/config.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr bool k_sanitized = COIR_ASAN || COIR_TSAN;
constexpr std::size_t k_most_bytes_each = 4600;

// A line "Name:   123 ..." of a file in /proc. Fails the test if there is none.
std::uint64_t number_in(std::string const& path, std::string const& name) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(name + ":")) {
            return std::stoull(line.substr(name.size() + 1));
        }
    }
    ADD_FAILURE() << path << " has no line " << name;
    return 0;
}

// Resident pages, and the page tables that a large address space needs, used or not.
std::size_t memory_in_use() {
    return (number_in("/proc/self/status", "VmRSS") + number_in("/proc/self/status", "VmPTE")) * 1024;
}

// A million, where that leaves most of the machine's free memory to others.
std::size_t parked_tasks() {
    if (k_sanitized) {
        return 1000;
    }
    std::size_t const affordable = number_in("/proc/meminfo", "MemAvailable") * 1024 / 4 / k_most_bytes_each;
    return std::clamp<std::size_t>(affordable, 1000, 1'000'000);
}

TEST(parked_tasks, take_at_most_4600_bytes_each_and_all_wake_with_their_result) {
    using steady = std::chrono::steady_clock;
    std::size_t const most = parked_tasks();
    coir::runtime home({.workers = 1, .stack_size = std::size_t{64} * 1024});
    home.block_on([most] {
        std::size_t const before = memory_in_use();
        coir::event gate;
        std::size_t arrived = 0;
        std::vector<coir::task<std::size_t>> tasks;
        tasks.reserve(most);
        // On a machine that is busy otherwise, so many as come in time.
        auto const give_up = steady::now() + std::chrono::seconds(20);
        while (tasks.size() < most && steady::now() < give_up) {
            for (std::size_t const end = std::min<std::size_t>(most, tasks.size() + 10'000); tasks.size() < end;) {
                tasks.push_back(coir::spawn([i = tasks.size(), &arrived, &gate] {
                    coir::yield();  // has been suspended once before it waits
                    ++arrived;
                    gate.wait();
                    return i;
                }));
            }
            // And one worker: the last to arrive has left its stack.
            coir::test::yield_until([&] { return arrived == tasks.size(); });
        }
        std::size_t const count = tasks.size();
        RecordProperty("parked_tasks", std::to_string(count));
        if (count < 1'000'000) {
            std::printf("only %zu tasks\n", count);
        }
        std::size_t const each = (memory_in_use() - before) / count;
        RecordProperty("bytes_each", std::to_string(each));
        if (!k_sanitized) {
            EXPECT_LE(each, k_most_bytes_each);
        }
        gate.set();
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < count; ++i) {
            wrong += tasks[i].get() == i ? 0 : 1;
        }
        EXPECT_EQ(wrong, 0u);
    });
}

// How often each thread of this name has given up its core to wait for something.
std::map<std::string, std::uint64_t> sleeps_of(std::string const& name) {
    std::map<std::string, std::uint64_t> sleeps;
    for (auto const& thread : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string comm;
        std::getline(std::ifstream(thread.path() / "comm"), comm);
        if (comm.starts_with(name)) {
            std::string const status = thread.path() / "status";
            sleeps[thread.path().filename()] = number_in(status, "voluntary_ctxt_switches");
        }
    }
    return sleeps;
}

TEST(parked_runtime, does_not_wake_up) {
    using namespace std::chrono_literals;
    constexpr std::size_t k_workers = 4;
    constexpr std::size_t k_threads = k_workers + 1;  // and the one that watches them
    coir::runtime home({.workers = k_workers, .name = "parked"});
    coir::event gate;
    std::vector<coir::task<void>> tasks;
    home.block_on([&] {
        for (int i = 0; i < 100; ++i) {
            tasks.push_back(coir::spawn([&gate] { gate.wait(); }));
        }
        coir::sleep(1ms);  // timers and workers have been in use
    });
    // The second is what is measured. The workers need some time before it to start and to come to rest, and no longer
    // than that: a runtime that never rests fails.
    std::map<std::string, std::uint64_t> before;
    std::map<std::string, std::uint64_t> after;
    for (int tries = 0; tries < 10; ++tries) {
        before = sleeps_of("parked");
        std::this_thread::sleep_for(1s);
        after = sleeps_of("parked");
        if (before == after && after.size() == k_threads) {
            break;
        }
    }
    EXPECT_EQ(after.size(), k_threads);
    EXPECT_EQ(before, after);
    gate.set();
    for (auto& task : tasks) {
        task.get();
    }
}

}  // namespace
