// SPDX-License-Identifier: BSL-1.0
//
// Trees of fork_join and of parallel loops whose calls compute, suspend, block, fail and are cancelled, on more workers than
// cores.

#include "tests/support/running.hpp"
#include "tests/support/stress.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/sched/blocking.hpp>
#include <coir/core/task/context.hpp>
#include <coir/core/task/fork_join.hpp>
#include <coir/core/task/sleep.hpp>
#include <coir/core/task/task.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

namespace coir {
namespace {

using fork_joins = test::stress;
using std::chrono::microseconds;

struct planned_failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What a node does follows from its number alone (the finaliser of SplitMix64), so the tree has one right result.
std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
}

void do_something(std::uint64_t what) {
    switch (what % 64) {
    case 0:
        sleep(microseconds(what / 64 % 50));
        break;
    case 1:
    case 2:
        yield();
        break;
    case 3:
        spawn([] {}).get();
        break;
    case 4:
        if (what % 1024 == 4) {
            blocking([] {});
        }
        break;
    default:
        break;
    }
}

constexpr int k_depth = 9;

// NOLINTNEXTLINE(misc-no-recursion)
std::uint64_t plain_tree(std::uint64_t node, int depth) {
    if (depth == 0) {
        return mixed(node) % 1000;
    }
    std::uint64_t sum = 0;
    for (std::uint64_t child = 0; child < 2 + node % 2; ++child) {
        sum += plain_tree(node * 3 + child, depth - 1);
    }
    return sum;
}

// NOLINTNEXTLINE(misc-no-recursion)
std::uint64_t forked_tree(std::uint64_t node, int depth, std::uint64_t seed, std::atomic<int>& calls) {
    ++calls;
    do_something(mixed(node ^ seed));
    if (depth == 0) {
        return mixed(node) % 1000;
    }
    auto child = [&](std::uint64_t which) {
        return [&, which] { return forked_tree(node * 3 + which, depth - 1, seed, calls); };
    };
    std::uint64_t sum = 0;
    if (node % 2 == 0) {
        auto const [a, b] = fork_join(child(0), child(1));
        sum = a + b;
    } else {
        auto const [a, b, c] = fork_join(child(0), child(1), child(2));
        sum = a + b + c;
    }
    do_something(mixed(node + seed));
    return sum;
}

TEST_F(fork_joins, trees_of_calls_that_suspend_have_the_result_of_plain_recursion) {
    while (another_round(10)) {
        runtime rt(runtime_options{.workers = workers()});
        std::atomic<int> calls{0};
        std::vector<task<void>> roots;
        for (std::uint64_t root = 1; root < 5; ++root) {
            roots.push_back(rt.spawn([&calls, root, seed = random()()] {
                EXPECT_EQ(forked_tree(root, k_depth, seed, calls), plain_tree(root, k_depth));
            }));
        }
        for (auto& r : roots) {
            r.get();
        }
        did(static_cast<std::uint64_t>(calls));
    }
}

// Digits of base 31 (odd, so that none is shifted out) behind digits: a product whose order counts.
struct digits {
    std::uint64_t scale = 1;
    std::uint64_t value = 0;
};
digits operator*(digits left, digits right) {
    return {left.scale * right.scale, left.value * right.scale + right.value};
}

TEST_F(fork_joins, loops_whose_calls_suspend_have_the_result_of_plain_loops) {
    while (another_round(100)) {
        runtime rt(runtime_options{.workers = workers()});
        std::atomic<int> calls{0};
        std::vector<task<void>> roots;
        for (std::uint64_t root = 1; root < 5; ++root) {
            roots.push_back(rt.spawn([&calls, seed = random()()] {
                std::uint64_t const outer = 1 + seed % 300;
                auto const inner = [seed](std::uint64_t i) { return mixed(seed * 1000 + i) % 7; };
                auto const digit = [](std::uint64_t i, std::uint64_t j) {
                    return digits{31, mixed(i * 1000 + j) % 31};
                };
                digits expected;
                for (std::uint64_t i = 0; i < outer; ++i) {
                    for (std::uint64_t j = 0; j < inner(i); ++j) {
                        expected = expected * digit(i, j);
                    }
                }
                auto const row = [&](std::uint64_t i) {
                    do_something(mixed(i ^ seed));
                    auto const product = parallel_reduce(
                        0U, inner(i), 1, digits(),
                        [&](std::uint64_t j) {
                            ++calls;
                            do_something(mixed((i * 100 + j) ^ seed));
                            return digit(i, j);
                        },
                        std::multiplies<>());
                    do_something(mixed(i + seed));
                    return product;
                };
                auto const product =
                    parallel_reduce(0U, outer, 1 + seed / 1000 % 3, digits(), row, std::multiplies<>());
                EXPECT_EQ(product.scale, expected.scale);
                EXPECT_EQ(product.value, expected.value);
            }));
        }
        for (auto& r : roots) {
            r.get();
        }
        did(static_cast<std::uint64_t>(calls));
    }
}

TEST_F(fork_joins, calls_that_fail_or_are_cancelled_leave_nothing_behind) {
    while (another_round(200, 1)) {
        runtime rt(runtime_options{.workers = workers()});
        std::atomic<int> inside{0};
        // NOLINTNEXTLINE(misc-no-recursion)
        auto tree = [&inside](auto const& self, std::uint64_t node, int depth, std::uint64_t seed) -> void {
            struct counted {
                std::atomic<int>& count;
                explicit counted(std::atomic<int>& c) : count(c) { ++count; }
                ~counted() { --count; }
            } const here(inside);
            std::uint64_t const what = mixed(node ^ seed);
            do_something(what);
            if (what % 97 == 0) {
                throw planned_failure("planned");
            }
            if (depth > 0 && node % 2 == 0) {
                parallel_for(0U, 3U, 1, [&](unsigned child) { self(self, node * 3 + child, depth - 1, seed); });
            } else if (depth > 0) {
                fork_join([&] { self(self, node * 3, depth - 1, seed); },
                          [&] { self(self, node * 3 + 1, depth - 1, seed); },
                          [&] { self(self, node * 3 + 2, depth - 1, seed); });
            }
            do_something(mixed(what));
        };
        auto whole = rt.spawn([&, seed = random()()] { tree(tree, 1, 5, seed); });
        if (round_number() % 2 == 0) {
            rt.block_on([&, wait = random()() % 300] {
                sleep(microseconds(wait));
                whole.cancel();
            });
        }
        try {
            whole.get();
        } catch (planned_failure const&) {
        } catch (cancelled const&) {
        }
        EXPECT_EQ(inside, 0);
    }
}

}  // namespace
}  // namespace coir
