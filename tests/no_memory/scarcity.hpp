// SPDX-License-Identifier: BSL-1.0
#pragma once

// Allocations that fail when a test says so. This folder's program has its own operator new.

#include <coir/coir.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <new>
#include <vector>

namespace coir {

/// While it lives, the allocation after `spared` others fails, of whatever thread; and those after that one, or not.
class scarcity {
public:
    explicit scarcity(long spared = 0, bool only_one = false) noexcept;
    scarcity(scarcity const&) = delete;
    scarcity& operator=(scarcity const&) = delete;
    ~scarcity() { end(); }
    static void end() noexcept;
    /// How many have failed since the last one began.
    static long refused() noexcept;
};

struct nothing_else {};

/// Does `operation` again and again: its first allocation fails, then its second one, and so on until it gets through, once
/// so that only that one fails and once so that there is no memory from then on. It may throw nothing but std::bad_alloc and
/// `Also`. After each time `check(done)` looks at what has become of it.
template <class Also = nothing_else, class Operation, class Check>
void with_each_allocation_refused(Operation operation, Check check) {
    long refusals = 0;
    for (bool const only_one : {true, false}) {
        for (long spared = 0, refused = 1; refused != 0; ++spared) {
            ASSERT_LT(spared, 2'000);
            bool done = false;
            std::exception_ptr other;
            {
                scarcity const of_memory(spared, only_one);
                try {
                    operation();
                    done = true;
                } catch (std::bad_alloc const&) {
                    done = false;
                } catch (Also const&) {
                    done = false;
                } catch (...) {
                    other = std::current_exception();
                }
            }
            refused = scarcity::refused();
            refusals += refused;
            if (other) {
                ADD_FAILURE() << "something else was thrown";
                std::rethrow_exception(other);
            }
            EXPECT_TRUE(done || refused != 0);
            check(done);
            if (::testing::Test::HasFailure()) {
                FAIL() << "after " << spared << " allocations" << (only_one ? " one fails" : "");
            }
        }
    }
    EXPECT_GT(refusals, 0) << "it allocates nothing";
}

/// The sum of their values, and they are gone.
inline int take_sum(std::vector<task<int>>& tasks) {
    int sum = 0;
    for (auto& t : tasks) {
        sum += t.get();
    }
    tasks.clear();
    return sum;
}

}  // namespace coir
