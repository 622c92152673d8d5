// SPDX-License-Identifier: BSL-1.0
#pragma once

// Checks after each test of the executable that no record of a task or future, and no descriptor, is left. Including this
// header in one source of the executable is enough.

#include <coir/core/task/shared_state.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>

namespace coir::test {

inline std::size_t live_records() {
    std::size_t count = 0;
    detail::for_each_live_record(
        [](void* record, void* context) {
            ++*static_cast<std::size_t*>(context);
            static_cast<detail::shared_state_base*>(record)->release_reference();
        },
        &count);
    return count;
}

inline std::ptrdiff_t open_descriptors() {
    namespace fs = std::filesystem;
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
}

class nothing_left : public ::testing::EmptyTestEventListener {
public:
    void OnTestStart(::testing::TestInfo const&) override {
        records_ = live_records();
        descriptors_ = open_descriptors();
    }
    void OnTestEnd(::testing::TestInfo const&) override {
        EXPECT_EQ(live_records(), records_) << "records of tasks or futures are left";
        EXPECT_EQ(open_descriptors(), descriptors_) << "descriptors are left";
    }

private:
    std::size_t records_ = 0;
    std::ptrdiff_t descriptors_ = 0;
};

inline bool const checks_that_nothing_is_left = [] {
    ::testing::UnitTest::GetInstance()->listeners().Append(new nothing_left);
    return true;
}();

}  // namespace coir::test
