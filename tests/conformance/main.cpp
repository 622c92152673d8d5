// SPDX-License-Identifier: BSL-1.0
//
// GoogleTest's main, in a program that is also the worker of its process pools.

#include <coir/core/sched/runtime.hpp>

#include <gtest/gtest.h>

int main(int argc, char** argv) {
    coir::serve_if_worker(argc, argv);
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
