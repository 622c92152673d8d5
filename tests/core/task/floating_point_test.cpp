// SPDX-License-Identifier: BSL-1.0
//
// What tasks have of the processor's floating-point control word.
#include <coir/core/sched/runtime.hpp>
#include <coir/core/task/sleep.hpp>
#include <coir/core/task/task.hpp>

#include <gtest/gtest.h>

#include <cfenv>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace coir {
namespace {

void divide() {
    volatile double const three = 3;
    volatile double const third = 1 / three;
    static_cast<void>(third);
}

#if defined(__x86_64__)
// Else each switch between one that has and one that has not would change it, which takes ten times as long.
TEST(floating_point, word_of_a_task_that_computes_is_that_of_one_that_does_not) {
    run(runtime_options{.workers = 1}, [] {
        unsigned before = 0;
        unsigned after = 0;
        auto computes = spawn([&] {
            before = _mm_getcsr();
            divide();
            after = _mm_getcsr();
        });
        unsigned other = 0;
        spawn([&] { other = _mm_getcsr(); }).get();
        computes.get();
        EXPECT_EQ(before, after);
        EXPECT_EQ(other, after);
    });
}
#endif

TEST(floating_point, rounding_is_each_tasks_own) {
    run(runtime_options{.workers = 1}, [] {
        auto rounds_up = spawn([] {
            std::fesetround(FE_UPWARD);
            for (int i = 0; i < 3; ++i) {
                yield();
                divide();
                EXPECT_EQ(std::fegetround(), FE_UPWARD);
            }
            std::fesetround(FE_TONEAREST);
        });
        for (int i = 0; i < 3; ++i) {
            yield();
            EXPECT_EQ(std::fegetround(), FE_TONEAREST);
        }
        rounds_up.get();
    });
}

}  // namespace
}  // namespace coir
