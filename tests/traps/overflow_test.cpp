// SPDX-License-Identifier: BSL-1.0
//
// A task that needs more stack than it has must end the process with a message that names it: not corrupt its neighbour.

#include "tests/support/running.hpp"

#include <coir/core/task/generator.hpp>

#include <gmock/gmock.h>

namespace coir {
namespace {

COIR_NOINLINE int recurse(int depth) {
    int volatile frame[256];
    frame[0] = depth;
    return depth == 0 ? 0 : recurse(depth - 1) + frame[0];
}

constexpr int k_too_deep = 100'000;

class stack_overflow : public testing::Test {
protected:
    void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(stack_overflow, message_names_the_task) {
    EXPECT_DEATH(run(runtime_options{.workers = 2},
                     [] { spawn(task_options{.name = "digger"}, [] { return recurse(k_too_deep); }).wait(); }),
                 testing::AllOf(testing::HasSubstr("digger"), testing::HasSubstr("stack")));
}

TEST_F(stack_overflow, message_names_the_task_with_a_stack_of_its_own) {
    EXPECT_DEATH(run(runtime_options{.workers = 1},
                     [] {
                         spawn(task_options{.name = "deep digger", .stack_size = 1 << 20}, [] {
                             yield();
                             return recurse(k_too_deep);
                         }).wait();
                     }),
                 testing::AllOf(testing::HasSubstr("deep digger"), testing::HasSubstr("stack")));
}

TEST_F(stack_overflow, message_names_the_task_that_runs_on_the_stack_of_its_awaiter) {
    EXPECT_DEATH(run(runtime_options{.workers = 1},
                     [] { spawn(task_options{.name = "guest"}, [] { return recurse(k_too_deep); }).get(); }),
                 testing::AllOf(testing::HasSubstr("guest"), testing::HasSubstr("stack")));
}

TEST_F(stack_overflow, message_names_the_task_whose_generator_needs_too_much) {
    EXPECT_DEATH(run(runtime_options{.workers = 1},
                     [] {
                         spawn(task_options{.name = "consumer"}, [] {
                             yield();
                             generator<int> g([](auto& give) {
                                 yield();
                                 give(recurse(k_too_deep));
                             });
                             return *g.begin();
                         }).wait();
                     }),
                 testing::AllOf(testing::HasSubstr("consumer"), testing::HasSubstr("stack")));
}

}  // namespace
}  // namespace coir
