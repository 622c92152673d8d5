// SPDX-License-Identifier: BSL-1.0
//
// Tasks for whose stacks there is no address space wait for it, and get what others give back.

#include "tests/support/address_space.hpp"

#include <coir/coir.hpp>
#include <coir/core/base/config.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace {

using coir::test::limit_address_space_to;

// So many tasks that wait for one event.
class crowd {
public:
    static constexpr int k_tasks = 1000;

    // Each has had a stack once, and there is room for all their records, and in queues.
    crowd() {
        tasks_.reserve(k_tasks);
        go_.set();
        start();
        end();
    }

    void start() {
        for (int i = 0; i < k_tasks; ++i) {
            tasks_.push_back(coir::spawn([this] {
                ++began_;
                go_.wait();
            }));
        }
    }
    // Until no more of them get a stack.
    void wait_for_those_that_begin() {
        for (int before = -1; before != began_; coir::sleep(std::chrono::milliseconds(50))) {
            before = began_;
        }
        check_that_some_have_none();
    }
    void check_that_some_have_none() const {
        if (began_ == k_tasks) {
            std::fputs("there was room for all of them\n", stderr);
            std::_Exit(3);
        }
    }
    void let_go() { go_.set(); }
    void end() {
        let_go();
        for (auto& t : tasks_) {
            t.wait();
        }
        ended_ = began_;
        tasks_.clear();
        go_.clear();
        began_ = 0;
    }
    int ended() const { return ended_; }

private:
    coir::event go_;
    std::atomic<int> began_{0};
    int ended_ = 0;
    std::vector<coir::task<void>> tasks_;
};

// More tasks than there is room for; those that have a stack wait until the others have gone without one for a while.
// `turns`: how many other tasks take turns all the time until every one has ended.
[[noreturn]] void run_more_tasks_than_stacks(unsigned workers, int turns) {
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
        crowd all;
        limit_address_space_to(std::size_t{8} << 20);
        all.start();
        all.wait_for_those_that_begin();
        all.end();
        over = true;
        std::fprintf(stderr, "all %d ended\n", all.ended());
    });
    std::_Exit(0);
}

// No stack is to be had any more: then a task forks calls that suspend.
[[noreturn]] void fork_calls_without_stacks(unsigned workers) {
    coir::run(coir::runtime_options{.workers = workers, .stall_threshold = std::chrono::seconds(0)}, [] {
        auto const pause = [] { coir::sleep(std::chrono::milliseconds(1)); };
        crowd all;
        coir::parallel_for(0, 64, 1, [&](int) { pause(); });  // and room for timers and forks
        limit_address_space_to(std::size_t{8} << 20);
        all.start();
        all.wait_for_those_that_begin();
        coir::fork_join(pause, pause, pause);
        std::atomic<int> calls{0};
        coir::parallel_for(0, 40, 1, [&](int) {
            pause();
            ++calls;
        });
        std::string failure;
        try {
            coir::fork_join(pause, [] { throw std::runtime_error("second"); });
        } catch (std::runtime_error const& e) {
            failure = e.what();
        }
        std::fprintf(stderr, "joined %d calls, and one that failed: %s\n", calls.load(), failure.c_str());
        // One whose frame does not wait for it runs when there are stacks again.
        coir::event second_ran;
        coir::fork_join(
            [&] {
                pause();
                all.let_go();
                second_ran.wait();
            },
            [&] { second_ran.set(); });
        std::fputs("and one that the first waited for\n", stderr);
        std::_Exit(0);
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

TEST(no_stacks_for_calls, run_on_that_of_the_frame_that_waits_for_them) {
    if (COIR_ASAN || COIR_TSAN) {
        GTEST_SKIP() << "sanitizers need address space of their own";
    }
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    for (unsigned const workers : {1u, 2u}) {
        EXPECT_EXIT(fork_calls_without_stacks(workers), testing::ExitedWithCode(0),
                    "joined 40 calls, and one that failed: second\nand one that the first waited for");
    }
}

// Those that have a stack wait for what those without would do. Some have other things to do meanwhile, but end not.
[[noreturn]] void stand_still_for_want_of_stacks(unsigned workers) {
    coir::run(coir::runtime_options{.workers = workers, .stall_threshold = std::chrono::seconds(0)}, [] {
        crowd all;
        limit_address_space_to(std::size_t{8} << 20);
        for (int standstill = 1; standstill <= 2; ++standstill) {
            all.start();
            coir::sleep(std::chrono::milliseconds(1500));
            all.check_that_some_have_none();
            std::fprintf(stderr, "end of %d\n", standstill);
            all.end();
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
