// SPDX-License-Identifier: BSL-1.0
//
// This program is its own worker, and plays a few others for the tests that need a program of their own.
#include "tests/executors/process/jobs.hpp"
#include "tests/executors/process/programs.hpp"

#include <coir/core/sched/runtime.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include <unistd.h>

int main(int argc, char** argv) {
    std::string_view const part = argc > 1 ? argv[1] : "";
    if (part == coir::test::k_without_entry) {
        return coir::test::program_without_entry();
    }
    if (std::getenv(coir::test::k_never_says_hello) != nullptr) {
        for (;;) {
            ::pause();
        }
    }
    if (char const* const words = std::getenv(coir::test::k_says_instead_of_hello)) {
        return std::string_view(words) == "garbage" ? coir::test::write_garbage(0) : coir::test::write_endless_frame(0);
    }
    coir::serve_if_worker(argc, argv);
    if (part == coir::test::k_parent || part == coir::test::k_parent_of_nobody) {
        return coir::test::program_that_is_killed(part == coir::test::k_parent_of_nobody);
    }
    if (part == coir::test::k_static_pool) {
        return coir::test::program_with_static_pool();
    }
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
