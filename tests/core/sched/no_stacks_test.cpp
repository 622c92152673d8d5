// SPDX-License-Identifier: BSL-1.0
//
// Tasks for whose stacks there is no address space wait for it, and get what others give back.

#include <coir/coir.hpp>
#include <coir/core/base/config.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

namespace {

// From here on this process gets so much address space more than it has.
void limit_address_space_to(std::size_t more) {
    std::ifstream statm("/proc/self/statm");
    std::size_t pages = 0;
    statm >> pages;
    rlimit limit{};
    limit.rlim_cur = limit.rlim_max = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + more;
    if (::setrlimit(RLIMIT_AS, &limit) != 0) {
        std::perror("setrlimit");
        std::_Exit(2);
    }
}

// More tasks than there is room for; those that have a stack wait until the others have gone without one for a while.
// `turns`: how many other tasks take turns all the time until every one has ended.
[[noreturn]] void run_more_tasks_than_stacks(unsigned workers, int turns) {
    constexpr int k_tasks = 1000;
    coir::run(coir::runtime_options{.workers = workers, .stall_threshold = std::chrono::seconds(0)}, [turns] {
        std::atomic<bool> over{false};
        std::vector<coir::task<void>> others;
        for (int i = 0; i < turns; ++i) {
            others.push_back(coir::spawn([&] {
                while (!over) {
                    coir::yield();
                }
            }));
        }
        coir::yield();
        std::vector<coir::task<void>> tasks;
        tasks.reserve(k_tasks);
        coir::event go;
        std::atomic<int> began{0};
        // Once with stacks for all, so that there is room for records and in queues already.
        auto const one = [&] {
            ++began;
            go.wait();
        };
        go.set();
        for (int i = 0; i < k_tasks; ++i) {
            tasks.push_back(coir::spawn(one));
        }
        for (auto& t : tasks) {
            t.wait();
        }
        tasks.clear();
        go.clear();
        began = 0;
        limit_address_space_to(std::size_t{8} << 20);
        for (int i = 0; i < k_tasks; ++i) {
            tasks.push_back(coir::spawn(one));
        }
        for (int before = -1; before != began; coir::sleep(std::chrono::milliseconds(50))) {
            before = began;
        }
        if (began == k_tasks) {
            std::fputs("there was room for all of them\n", stderr);
            std::_Exit(3);
        }
        go.set();
        for (auto& t : tasks) {
            t.wait();
        }
        over = true;
        std::fprintf(stderr, "all %d ended\n", began.load());
    });
    std::_Exit(0);
}

// All stacks but those of tasks that wait are gone, for good: then a task forks calls that suspend.
[[noreturn]] void join_calls_without_stacks(unsigned workers) {
    coir::run(coir::runtime_options{.workers = workers, .stall_threshold = std::chrono::seconds(0)}, [] {
        coir::event go;
        std::vector<coir::task<void>> tasks;
        limit_address_space_to(0);
        constexpr int k_tasks = 64;
        std::atomic<int> began{0};
        for (int i = 0; i < k_tasks; ++i) {
            tasks.push_back(coir::spawn([&] {
                ++began;
                go.wait();
            }));
        }
        coir::sleep(std::chrono::milliseconds(100));
        if (began == k_tasks) {
            std::fputs("there was room for all of them\n", stderr);
            std::_Exit(3);
        }
        coir::fork_join([] { coir::sleep(std::chrono::milliseconds(10)); },
                        [] { coir::sleep(std::chrono::milliseconds(1)); }, [] {});
        std::atomic<int> calls{0};
        coir::parallel_for(0, 40, 1, [&](int) {
            coir::sleep(std::chrono::milliseconds(1));
            ++calls;
        });
        std::string failure;
        try {
            coir::fork_join([] { coir::sleep(std::chrono::milliseconds(10)); },
                            [] { throw std::runtime_error("second"); });
        } catch (std::runtime_error const& e) {
            failure = e.what();
        }
        std::fprintf(stderr, "joined %d calls, and one that failed: %s\n", calls.load(), failure.c_str());
        go.set();
        for (auto& t : tasks) {
            t.get();
        }
    });
    std::_Exit(0);
}

class no_stacks : public testing::TestWithParam<std::tuple<unsigned, int>> {};

TEST_P(no_stacks, for_some_tasks_they_get_those_of_others_whichever_worker_keeps_them) {
    if (COIR_ASAN || COIR_TSAN) {
        GTEST_SKIP() << "sanitizers need address space of their own";
    }
    auto const [workers, turns] = GetParam();
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(run_more_tasks_than_stacks(workers, turns), testing::ExitedWithCode(0), "all 1000 ended");
}

TEST(no_stacks_for_calls, the_frame_that_joins_them_runs_them) {
    if (COIR_ASAN || COIR_TSAN) {
        GTEST_SKIP() << "sanitizers need address space of their own";
    }
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    for (unsigned const workers : {1u, 2u}) {
        EXPECT_EXIT(join_calls_without_stacks(workers), testing::ExitedWithCode(0),
                    "joined 40 calls, and one that failed: second");
    }
}

// Those that have a stack wait for what those without would do. Some have other things to do meanwhile, but end not.
[[noreturn]] void stand_still_for_want_of_stacks(unsigned workers) {
    coir::run(coir::runtime_options{.workers = workers, .stall_threshold = std::chrono::seconds(0)}, [] {
        constexpr int k_tasks = 1000;
        coir::event go;
        std::atomic<int> began{0};
        std::vector<coir::task<void>> tasks;
        auto const spawn_all = [&] {
            for (int i = 0; i < k_tasks; ++i) {
                tasks.push_back(coir::spawn([&] {
                    ++began;
                    go.wait();
                }));
            }
        };
        auto const end_all = [&] {
            go.set();
            for (auto& t : tasks) {
                t.wait();
            }
            tasks.clear();
            go.clear();
            began = 0;
        };
        tasks.reserve(k_tasks);
        go.set();
        spawn_all();  // once with stacks for all, so that there is room for records and in queues already
        end_all();
        limit_address_space_to(std::size_t{8} << 20);
        for (int standstill = 1; standstill <= 2; ++standstill) {
            spawn_all();
            coir::sleep(std::chrono::milliseconds(1500));
            if (began == k_tasks) {
                std::fputs("there was room for all of them\n", stderr);
                std::_Exit(3);
            }
            std::fprintf(stderr, "end of %d\n", standstill);
            end_all();
        }
    });
    std::_Exit(0);
}

class no_stacks_for_long : public testing::TestWithParam<unsigned> {};

TEST_P(no_stacks_for_long, is_said_once_for_each_standstill) {
    if (COIR_ASAN || COIR_TSAN) {
        GTEST_SKIP() << "sanitizers need address space of their own";
    }
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    std::string const line = "coir: about [0-9]+ tasks cannot start: no memory for a stack\n";
    EXPECT_EXIT(stand_still_for_want_of_stacks(GetParam()), testing::ExitedWithCode(0),
                testing::MatchesRegex(line + "end of 1\n" + line + "end of 2\n"));
}

INSTANTIATE_TEST_SUITE_P(workers, no_stacks_for_long, testing::Values(1u, 2u));

std::string name_of(testing::TestParamInfo<no_stacks::ParamType> const& which) {
    auto const [workers, turns] = which.param;
    return std::to_string(workers) +
           (turns == 0 ? "_workers_and_nothing_else_to_do" : "_workers_and_always_something_else_to_do");
}

INSTANTIATE_TEST_SUITE_P(workers, no_stacks, testing::Combine(testing::Values(1u, 2u, 4u), testing::Values(0, 8)),
                         name_of);

}  // namespace
