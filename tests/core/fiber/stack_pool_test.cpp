// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/stack_pool.hpp"

#include "core/fiber/memory.hpp"
#include "tests/core/fiber/accessible.hpp"
#include "tests/core/fiber/stacks.hpp"
#include "tests/support/address_space.hpp"

#include <coir/core/base/config.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace coir::detail {
namespace {

using test::acquire_many;
using test::k_kib;
using testing::HasSubstr;

// Pools are never destroyed, so every test that counts stacks makes one of its own.
stack_pool& new_pool(std::size_t size = 64 * k_kib, guard_kind kind = best_guard_kind()) {
    return *new stack_pool(size, kind);
}

std::size_t address(std::byte const* p) {
    return reinterpret_cast<std::uintptr_t>(p);
}

TEST(stack_pool, one_pool_serves_all_sizes_that_round_to_the_same_pages) {
    auto& pool = stack_pool::for_size(100 * k_kib);
    EXPECT_EQ(&stack_pool::for_size(100 * k_kib - page_size() + 1), &pool);
    EXPECT_NE(&stack_pool::for_size(100 * k_kib + 1), &pool);
    EXPECT_EQ(pool.stack_size(), 100 * k_kib);
    EXPECT_EQ(&stack_pool::for_size(0), &stack_pool::for_size(k_default_stack_size));
}

TEST(stack_pool, a_tiny_size_is_rounded_up_to_something_that_can_run_code) {
    auto& pool = stack_pool::for_size(1);
    stack const s = pool.acquire();
    EXPECT_GE(s.size, 2 * page_size());
    pool.release(s);
}

TEST(stack_pool, an_absurd_size_is_refused_in_words) {
    try {
        stack_pool::for_size(~std::size_t{0});
        FAIL() << "accepted";
    } catch (stack_allocation_error const& e) {
        EXPECT_THAT(e.what(), HasSubstr("stack_size"));
    }
}

TEST(stack_pool, a_stack_is_aligned_and_writable_from_end_to_end) {
    auto& pool = new_pool();
    for (stack const& s : acquire_many(pool, 40)) {
        EXPECT_EQ(address(s.base) % page_size(), 0U);
        EXPECT_EQ(address(s.top()) % 64, 0U);
        EXPECT_EQ(s.pool, &pool);
        EXPECT_GE(s.size, 56 * k_kib);
        *s.base = std::byte{1};
        *(s.top() - 1) = std::byte{2};
        EXPECT_FALSE(accessible(s.base - 1));
        EXPECT_FALSE(accessible(s.base - pool.geometry().guard));
    }
}

TEST(stack_pool, the_stack_released_last_is_acquired_first) {
    auto& pool = new_pool();
    auto const stacks = acquire_many(pool, 3);
    for (stack const& s : stacks) {
        pool.release(s);
    }
    EXPECT_EQ(pool.acquire().base, stacks[2].base);
    EXPECT_EQ(pool.acquire().base, stacks[1].base);
    EXPECT_EQ(pool.acquire().base, stacks[0].base);
}

TEST(stack_pool, a_reused_stack_has_the_bounds_that_it_had) {
    auto& pool = new_pool();
    for (stack const& s : acquire_many(pool, 16)) {
        pool.release(s);
        stack const again = pool.acquire();
        EXPECT_EQ(again.base, s.base);
        EXPECT_EQ(again.top(), s.top());
    }
}

TEST(stack_pool, tops_take_eight_places_in_their_page_and_leave_most_of_it) {
    std::set<std::size_t> offsets;
    for (stack const& s : acquire_many(new_pool(), 64)) {
        offsets.insert(page_size() - address(s.top() - 1) % page_size() - 1);
    }
    EXPECT_EQ(offsets.size(), 8U);
    EXPECT_LT(*offsets.rbegin(), page_size() / 4);
}

TEST(stack_pool, successive_stacks_differ_in_colour) {
    auto& pool = new_pool();
    stack const first = pool.acquire();
    stack const second = pool.acquire();
    EXPECT_NE(address(first.top()) % page_size(), address(second.top()) % page_size());
}

TEST(stack_pool, stacks_lie_an_odd_number_of_pages_apart) {
    for (std::size_t size : {1 * k_kib, 16 * k_kib, 64 * k_kib, 100 * k_kib, 256 * k_kib, 8192 * k_kib}) {
        EXPECT_EQ(stack_geometry::for_size(size).stride / page_size() % 2, 1U) << size;
        EXPECT_LE(stack_geometry::for_size(size).guard, stack_geometry::for_size(size).stride / 2) << size;
    }
}

TEST(stack_pool, a_pool_grows_and_hands_no_stack_out_twice) {
    auto& pool = new_pool(16 * k_kib);
    auto stacks = acquire_many(pool, 5000);
    std::sort(stacks.begin(), stacks.end(), [](stack const& a, stack const& b) { return a.base < b.base; });
    for (std::size_t i = 1; i < stacks.size(); ++i) {
        ASSERT_GE(stacks[i].base, stacks[i - 1].top() + pool.geometry().guard);
    }
    auto const counts = pool.count();
    EXPECT_GE(counts.mapped, 5000U);
    EXPECT_EQ(counts.mapped, 5000U + counts.warm + counts.cold);
}

TEST(stack_pool, a_batch_gives_at_least_one_and_no_more_than_asked_for) {
    auto& pool = new_pool();
    std::array<stack, 100> out;
    EXPECT_EQ(pool.acquire_batch({}), 0U);
    for (std::size_t wanted : {std::size_t{1}, std::size_t{7}, out.size()}) {
        std::fill(out.begin(), out.end(), stack{});
        auto const got = pool.acquire_batch(std::span(out).first(wanted));
        EXPECT_GE(got, 1U);
        EXPECT_LE(got, std::min(wanted, stack_pool::k_batch));
        auto const behind = out.begin() + static_cast<std::ptrdiff_t>(got);
        auto const filled = [](stack const& s) { return static_cast<bool>(s); };
        EXPECT_TRUE(std::all_of(out.begin(), behind, filled));
        EXPECT_TRUE(std::none_of(behind, out.end(), filled));
        pool.release_batch(std::span(out).first(got));
    }
}

TEST(stack_pool, a_released_batch_is_reused_before_anything_is_mapped) {
    auto& pool = new_pool();
    auto const stacks = acquire_many(pool, 200);
    auto const mapped = pool.count().mapped;
    pool.release_batch(stacks);
    EXPECT_EQ(pool.count().warm, 200U);
    acquire_many(pool, 200);
    EXPECT_EQ(pool.count().mapped, mapped);
    EXPECT_EQ(pool.count().warm, 0U);
}

TEST(stack_pool, threads_never_share_a_stack) {
    auto& pool = new_pool(16 * k_kib);
    constexpr std::size_t k_rounds = 3000;
    std::atomic<std::size_t> shared{0};
    std::vector<std::thread> threads;
    for (unsigned id = 1; id <= 4; ++id) {
        threads.emplace_back([&, id] {
            std::array<stack, 5> held;
            for (std::size_t round = 0; round < k_rounds; ++round) {
                auto const mine =
                    std::span(held).first(pool.acquire_batch(std::span(held).first(1 + round % held.size())));
                for (stack const& s : mine) {
                    *(s.top() - 1) = static_cast<std::byte>(id);
                }
                if (round % 16 == 0) {
                    std::this_thread::yield();  // on two cores: let somebody else in between
                }
                for (stack const& s : mine) {
                    shared += *(s.top() - 1) != static_cast<std::byte>(id) ? 1 : 0;
                }
                pool.release_batch(mine);
            }
        });
    }
    for (auto& t : threads) {
        t.join();
    }
    EXPECT_EQ(shared, 0U);
    auto const counts = pool.count();
    EXPECT_EQ(counts.mapped, counts.warm + counts.cold);
    // Each thread holds five at most, and takes up to a batch into its hands to guard them; slabs double in size.
    EXPECT_LE(counts.mapped, 2 * threads.size() * (5 + stack_pool::k_batch));
}

TEST(stack_pool, forty_thousand_guarded_stacks_are_no_trouble_with_guard_markers) {
    if (best_guard_kind() == guard_kind::protection) {
        GTEST_SKIP() << "this kernel has no MADV_GUARD_INSTALL";
    }
    auto& pool = new_pool(64 * k_kib);
    auto const stacks = acquire_many(pool, 40'000);
    for (std::size_t i = 0; i < stacks.size(); i += 997) {
        *(stacks[i].top() - 1) = std::byte{1};
        EXPECT_FALSE(accessible(stacks[i].base - 1));
    }
    pool.release_batch(stacks);
    pool.trim();
    EXPECT_EQ(pool.count().mapped, 0U);
}

// --- At the limits. Each in a process of its own, because it uses up what the whole process may have. ---------------

[[noreturn]] void finish(bool good, std::string const& message) {
    std::fputs(message.c_str(), stderr);
    std::_Exit(good ? 0 : 1);
}

std::string acquire_until_it_throws(stack_pool& pool, std::vector<stack>& stacks) {
    try {
        for (;;) {
            stacks.push_back(pool.acquire());
        }
    } catch (stack_allocation_error const& e) {
        return e.what();
    }
}

[[noreturn]] void run_out_of_mappings() {
    auto& pool = new_pool(64 * k_kib, guard_kind::protection);
    std::vector<stack> stacks;
    stacks.reserve(1'000'000);
    std::string const message = acquire_until_it_throws(pool, stacks);
    std::string const again = acquire_until_it_throws(pool, stacks);
    auto const counts = pool.count();
    bool const nothing_lost = counts.mapped == stacks.size() + counts.warm + counts.cold;
    stack const last = stacks.back();
    pool.release(last);
    bool const goes_on = pool.acquire().base == last.base;
    finish(nothing_lost && goes_on && again == message, message);
}

using stack_pool_death = testing::Test;

TEST(stack_pool_death, running_out_of_mappings_names_the_setting_and_loses_no_stack) {
    std::ifstream file("/proc/sys/vm/max_map_count");
    std::size_t limit = 0;
    file >> limit;
    if (limit > 200'000) {
        GTEST_SKIP() << "vm.max_map_count is " << limit << ": too far away";
    }
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(run_out_of_mappings(), testing::ExitedWithCode(0),
                testing::AllOf(HasSubstr("vm.max_map_count"), HasSubstr("Linux 6.13"), HasSubstr("64 KiB")));
}

[[noreturn]] void run_out_of_address_space() {
    coir::test::limit_address_space_to(std::size_t{200} << 20);
    auto& pool = new_pool(256 * k_kib);
    std::vector<stack> stacks;
    stacks.reserve(1000);
    std::string const message = acquire_until_it_throws(pool, stacks);
    // The last slabs are small ones, so nearly all of the space was used.
    finish(stacks.size() > 600, message);
}

TEST(stack_pool_death, running_out_of_address_space_names_the_limit) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(run_out_of_address_space(), testing::ExitedWithCode(0),
                testing::AllOf(HasSubstr("RLIMIT_AS"), HasSubstr("stack_size"), HasSubstr("256 KiB")));
}

#if COIR_ASAN
TEST(stack_pool_death, a_write_into_a_released_stack_is_reported_by_address_sanitizer) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    auto& pool = new_pool();
    stack const s = pool.acquire();
    pool.release(s);
    EXPECT_DEATH(*static_cast<std::byte volatile*>(s.top() - 100) = std::byte{1}, "use-after-poison");
}
#endif

}  // namespace
}  // namespace coir::detail
