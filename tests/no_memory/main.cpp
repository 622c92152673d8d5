// SPDX-License-Identifier: BSL-1.0
#include <coir/core/sched/runtime.hpp>

#include <gtest/gtest.h>

int main(int argc, char** argv) {
    coir::serve_if_worker(argc, argv);
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
