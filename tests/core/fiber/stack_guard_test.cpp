// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/guard.hpp"

#include "core/fiber/memory.hpp"
#include "tests/core/fiber/accessible.hpp"

#include <cerrno>
#include <csignal>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace coir::detail {
namespace {

// Every way to guard that this kernel has: the best one, and those that are tried where it is missing.
std::vector<guard_kind> guard_kinds() {
    std::vector<guard_kind> kinds;
    for (auto kind : {guard_kind::batched_markers, guard_kind::markers, guard_kind::protection}) {
        if (kind >= best_guard_kind()) {
            kinds.push_back(kind);
        }
    }
    return kinds;
}

class guard : public testing::TestWithParam<guard_kind> {
protected:
    static constexpr std::size_t k_pages = 256;

    guard() : memory_(map_memory(k_pages * page_size()).value) {}
    ~guard() override { ::munmap(memory_, k_pages * page_size()); }

    std::byte* page(std::size_t index) const { return memory_ + index * page_size(); }

    std::byte* memory_;
};

TEST_P(guard, exactly_the_guarded_pages_become_inaccessible) {
    std::vector<std::byte*> lows;
    for (std::size_t i = 0; i < 50; ++i) {  // more than one call takes
        lows.push_back(page(i * 5 + 1));
    }
    auto const result = install_guards(lows, 2 * page_size(), GetParam());
    EXPECT_EQ(result.installed, lows.size());
    EXPECT_EQ(result.error, 0);
    for (std::size_t i = 0; i < 250; ++i) {
        bool const guarded = i % 5 == 1 || i % 5 == 2;
        EXPECT_EQ(accessible(page(i)), !guarded) << "first byte of page " << i;
        EXPECT_EQ(accessible(page(i + 1) - 1), !guarded) << "last byte of page " << i;
    }
}

TEST_P(guard, a_guard_goes_in_over_pages_that_were_used) {
    std::byte* const low = page(0);
    *low = std::byte{1};
    EXPECT_EQ(install_guards({&low, 1}, page_size(), GetParam()).error, 0);
    EXPECT_FALSE(accessible(low));
}

TEST_P(guard, installing_stops_at_the_first_that_fails_and_says_which) {
    std::vector<std::byte*> lows{page(0), page(4), page(8), page(12)};
    ASSERT_EQ(::munmap(lows[2], page_size()), 0);
    auto const result = install_guards(lows, page_size(), GetParam());
    EXPECT_EQ(result.installed, 2U);
    EXPECT_EQ(result.error, ENOMEM);
    EXPECT_FALSE(accessible(lows[0]));
    EXPECT_FALSE(accessible(lows[1]));
    EXPECT_TRUE(accessible(lows[3]));
}

using guard_death = guard;

TEST_P(guard_death, a_write_into_a_guard_ends_the_process) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    std::byte* const low = page(7);
    ASSERT_EQ(install_guards({&low, 1}, page_size(), GetParam()).error, 0);
    EXPECT_DEATH(*static_cast<std::byte volatile*>(low + 5) = std::byte{1}, "");
}

std::string kind_name(testing::TestParamInfo<guard_kind> const& kind) {
    switch (kind.param) {
    case guard_kind::batched_markers:
        return "batched_markers";
    case guard_kind::markers:
        return "markers";
    case guard_kind::protection:
        return "protection";
    }
    return "unknown";
}

INSTANTIATE_TEST_SUITE_P(kinds, guard, testing::ValuesIn(guard_kinds()), kind_name);
INSTANTIATE_TEST_SUITE_P(kinds, guard_death, testing::ValuesIn(guard_kinds()), kind_name);

}  // namespace
}  // namespace coir::detail
