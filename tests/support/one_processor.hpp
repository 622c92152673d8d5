// SPDX-License-Identifier: BSL-1.0
#pragma once

// On one processor a thread that wakes a sleeping one may be preempted by it, right in the call that wakes. What it does
// afterwards, and must not do, then comes after all that the woken one does: a race that is lost once in a million
// rounds on two processors is lost every few rounds here.

#include <gtest/gtest.h>

#include <pthread.h>
#include <sched.h>

namespace coir::test {

/// Keeps the calling thread, and the threads that it starts meanwhile, on one processor.
class on_one_processor {
public:
    on_one_processor() {
        EXPECT_EQ(::pthread_getaffinity_np(::pthread_self(), sizeof before_, &before_), 0);
        int here = 0;
        while (here < CPU_SETSIZE - 1 && !CPU_ISSET(here, &before_)) {
            ++here;
        }
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(here, &one);
        EXPECT_EQ(::pthread_setaffinity_np(::pthread_self(), sizeof one, &one), 0);
    }
    on_one_processor(on_one_processor const&) = delete;
    on_one_processor& operator=(on_one_processor const&) = delete;
    ~on_one_processor() { ::pthread_setaffinity_np(::pthread_self(), sizeof before_, &before_); }

private:
    cpu_set_t before_{};
};

/// From now on whoever the calling thread wakes preempts it at once.
inline void give_way_to_all_others() {
    ::sched_param const parameters{};
    EXPECT_EQ(::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &parameters), 0);
}

}  // namespace coir::test
