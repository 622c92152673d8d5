// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/task.hpp>

#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"

#include <coir/core/base/config.hpp>
#include <coir/core/task/call_later.hpp>
#include <coir/core/task/task_ref.hpp>
#include <coir/core/task/timeout.hpp>
#include <coir/sync/event.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

// Functions of a user's own, with coir's names and things of coir among their arguments.
namespace other {
namespace {

struct settings {};
struct worker_options : coir::task_options {};

int run(settings const&, coir::task_options const&) {
    return 1;
}
int spawn(std::string const&, coir::task_options const&) {
    return 2;
}
int wait_for(coir::task_options const&, std::chrono::seconds) {
    return 3;
}

int call_them() {
    settings mine;
    coir::task_options const theirs;
    return 100 * run(mine, theirs) + 10 * spawn("reader", theirs) + wait_for(theirs, std::chrono::seconds(1));
}

}  // namespace
}  // namespace other

namespace coir {
namespace {

using test::on_one_and_four_workers;

TEST(spawn, returns_the_result_of_the_callable) {
    on_one_and_four_workers([] { EXPECT_EQ(spawn([] { return 42; }).get(), 42); });
}

TEST(spawn, passes_arguments) {
    on_one_and_four_workers(
        [] { EXPECT_EQ(spawn([](int a, std::string b) { return b + std::to_string(a); }, 7, "x").get(), "x7"); });
}

TEST(spawn, decays_and_copies_arguments) {
    on_one_and_four_workers([] {
        std::string text = "before";
        auto t = spawn([](std::string s) { return s; }, text);
        text = "after";
        EXPECT_EQ(t.get(), "before");
    });
}

TEST(spawn, passes_arguments_as_rvalues_as_threads_do) {
    on_one_and_four_workers([] {
        auto t = spawn([](auto&& value) { return std::is_same_v<decltype(value), std::string&&>; }, std::string("x"));
        EXPECT_TRUE(t.get());
    });
}

TEST(spawn, moves_move_only_arguments_callables_and_results) {
    on_one_and_four_workers([] {
        auto t =
            spawn([p = std::make_unique<int>(1)](std::unique_ptr<int> q) { return std::make_unique<int>(*p + *q); },
                  std::make_unique<int>(2));
        EXPECT_EQ(*t.get(), 3);
    });
}

TEST(spawn, passes_references_by_std_ref) {
    on_one_and_four_workers([] {
        int x = 1;
        spawn([](int& r) { ++r; }, std::ref(x)).get();
        EXPECT_EQ(x, 2);
    });
}

TEST(spawn, calls_members_through_pointers) {
    struct counter {
        int value = 5;
        int add(int n) { return value += n; }
    };
    on_one_and_four_workers([] {
        counter c;
        EXPECT_EQ(spawn(&counter::add, &c, 2).get(), 7);
        EXPECT_EQ(c.value, 7);
    });
}

TEST(spawn, returns_references) {
    on_one_and_four_workers([] {
        int x = 1;
        auto t = spawn([&x]() -> int& { return x; });
        static_assert(std::is_same_v<decltype(t.get()), int&>);
        EXPECT_EQ(&t.get(), &x);
    });
}

TEST(spawn, takes_large_callables_and_returns_large_results) {
    on_one_and_four_workers([] {
        std::array<int, 4096> numbers{};
        std::iota(numbers.begin(), numbers.end(), 0);
        auto t = spawn([numbers] {
            auto copy = numbers;
            copy[0] = -1;
            return copy;
        });
        auto const result = t.get();
        EXPECT_EQ(result[0], -1);
        EXPECT_EQ(result[4095], 4095);
    });
}

struct alignas(128) overaligned {
    int value = 3;
};

TEST(spawn, keeps_the_alignment_of_callables_and_results) {
    on_one_and_four_workers([] {
        overaligned const captured;
        auto t = spawn([captured] {
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&captured) % alignof(overaligned), 0u);
            return captured;
        });
        EXPECT_EQ(t.get().value, 3);
    });
}

TEST(spawn, returns_results_without_default_constructor) {
    struct no_default {
        explicit no_default(int v) : value(v) {}
        no_default(no_default&&) = default;
        int value;
    };
    on_one_and_four_workers([] { EXPECT_EQ(spawn([] { return no_default(9); }).get().value, 9); });
}

TEST(spawn, does_not_run_the_callable_before_the_caller_waits_on_one_worker) {
    run(runtime_options{.workers = 1}, [] {
        bool ran = false;
        auto t = spawn([&] { ran = true; });
        EXPECT_FALSE(ran);
        t.get();
        EXPECT_TRUE(ran);
    });
}

// Those of another task: who awaits their own out of turn waits for those before.
TEST(spawn, task_that_is_awaited_out_of_turn_leaves_the_others_in_their_order) {
    coir::run(runtime_options{.workers = 1}, [] {
        std::vector<int> order;
        std::vector<task<void>> tasks;
        spawn([&] {
            for (int i = 0; i < 6; ++i) {
                tasks.push_back(spawn([&order, i] { order.push_back(i); }));
            }
        }).get();
        tasks[2].get();
        tasks[5].get();
        tasks[3].get();
        yield();
        EXPECT_EQ(order, (std::vector<int>{2, 5, 3, 0, 1, 4}));
    });
}

TEST(spawn, task_that_is_awaited_out_of_turn_and_suspends_is_resumed_once) {
    coir::run(runtime_options{.workers = 1}, [] {
        std::vector<int> order;
        std::vector<task<void>> tasks;
        spawn([&] {
            for (int i = 0; i < 3; ++i) {
                tasks.push_back(spawn([&order, i] {
                    order.push_back(i);
                    yield();
                    order.push_back(10 + i);
                }));
            }
        }).get();
        tasks[1].get();
        EXPECT_EQ(order, (std::vector<int>{1, 0, 2, 11}));
        tasks[0].get();
        tasks[2].get();
        EXPECT_EQ(order, (std::vector<int>{1, 0, 2, 11, 10, 12}));
    });
}

TEST(spawn, lets_the_constructor_of_the_callable_suspend) {
    struct suspends_when_moved {
        suspends_when_moved() = default;
        suspends_when_moved(suspends_when_moved&&) noexcept { yield(); }
        int operator()() const { return 1; }
    };
    on_one_and_four_workers([] {
        auto const other = [] {
            for (int i = 0; i < 100; ++i) {
                EXPECT_EQ(spawn(suspends_when_moved()).get(), 1);
            }
        };
        std::array<task<void>, 8> others;
        for (auto& each : others) {
            each = spawn(other);
        }
        for (auto& each : others) {
            each.get();
        }
    });
}

TEST(spawn, outside_of_a_runtime_throws) {
    EXPECT_THROW(spawn([] {}), no_running_runtime);
}

TEST(spawn, outside_of_a_runtime_throws_on_a_thread_that_a_task_has_started) {
    on_one_and_four_workers([] { std::thread([] { EXPECT_THROW(spawn([] {}), no_running_runtime); }).join(); });
}

TEST(spawn, destroys_the_callable_before_the_task_is_done) {
    on_one_and_four_workers([] {
        auto watched = std::make_shared<int>(1);
        std::weak_ptr<int> const seen = watched;
        auto t = spawn([w = std::move(watched)] { return *w; });
        t.wait();
        EXPECT_TRUE(seen.expired());
        EXPECT_EQ(t.get(), 1);
    });
}

TEST(spawn, keeps_the_exception_of_a_throwing_argument_copy) {
    struct throws_on_copy {
        throws_on_copy() = default;
        throws_on_copy(throws_on_copy const&) { throw std::runtime_error("copy"); }
    };
    on_one_and_four_workers([] {
        throws_on_copy const argument;
        EXPECT_THROW(spawn([](throws_on_copy const&) {}, argument), std::runtime_error);
    });
}

TEST(spawn, with_a_name_shows_it) {
    on_one_and_four_workers([] {
        auto t = spawn(task_options{.name = "reader"}, [] { return current_task().name(); });
        EXPECT_EQ(t.name(), "reader");
        EXPECT_EQ(t.get(), "reader");
    });
}

// Touches `bytes` of stack, in frames of a page.
COIR_NOINLINE std::size_t use_stack(std::size_t bytes) {
    volatile char page[4096];
    page[0] = 1;
    page[4095] = 1;
    std::size_t const below = bytes <= sizeof page ? 0 : use_stack(bytes - sizeof page);
    return below + static_cast<std::size_t>(page[0] + page[4095]);
}

constexpr std::size_t k_mib = std::size_t{1024} * 1024;

TEST(spawn, with_a_stack_size_gets_a_stack_of_that_size) {
    on_one_and_four_workers([] {
        auto t = spawn(task_options{.stack_size = 4 * k_mib}, [] { return use_stack(2 * k_mib); });
        t.wait();
        EXPECT_GT(t.get(), 0u);
    });
}

TEST(spawn, with_a_stack_size_gets_that_stack_also_when_it_is_awaited_at_once) {
    on_one_and_four_workers(
        [] { EXPECT_GT(spawn(task_options{.stack_size = 4 * k_mib}, [] { return use_stack(2 * k_mib); }).get(), 0u); });
}

TEST(spawn, with_a_stack_size_can_suspend_and_go_on) {
    on_one_and_four_workers([] {
        std::vector<task<std::size_t>> tasks;
        for (int i = 0; i < 16; ++i) {
            tasks.push_back(spawn(task_options{.stack_size = 2 * k_mib}, [] {
                auto const before = use_stack(k_mib);
                sleep(test::k_a_moment);
                return before + use_stack(k_mib);
            }));
        }
        for (auto& t : tasks) {
            EXPECT_GT(t.get(), 0u);
        }
    });
}

TEST(spawn, stack_size_that_no_address_space_holds_is_refused) {
    on_one_and_four_workers([] {
        auto const huge = std::numeric_limits<std::size_t>::max();
        EXPECT_THROW(spawn(task_options{.stack_size = huge}, [] { ADD_FAILURE() << "runs"; }), std::bad_alloc);
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

TEST(spawn, stack_size_of_the_runtime_holds_for_its_tasks) {
    run(runtime_options{.workers = 2, .stack_size = 4 * k_mib}, [] {
        auto t = spawn([] { return use_stack(2 * k_mib); });
        t.wait();
        EXPECT_GT(t.get(), 0u);
    });
}

int depth_of_chain(int levels) {
    return levels == 0 ? 0 : 1 + spawn(depth_of_chain, levels - 1).get();
}

TEST(spawn, chain_of_10000_tasks_each_awaiting_the_one_that_it_spawned_ends) {
    on_one_and_four_workers([] {
        constexpr int k_length = COIR_TSAN ? 2'000 : 10'000;  // each may be a thread to TSan, which stops at 8,128
        EXPECT_EQ(depth_of_chain(k_length), k_length);
    });
}

int leaves_of_tree(int levels) {
    if (levels == 0) {
        return 1;
    }
    auto left = spawn(leaves_of_tree, levels - 1);
    auto right = spawn(leaves_of_tree, levels - 1);
    return left.get() + right.get();
}

TEST(spawn, tree_of_tasks_gives_every_leaf) {
    on_one_and_four_workers([] { EXPECT_EQ(leaves_of_tree(12), 4096); });
}

TEST(spawn, many_tasks_all_run_once) {
    on_one_and_four_workers([] {
        std::atomic<int> count{0};
        std::vector<task<void>> tasks;
        for (int i = 0; i < 20'000; ++i) {
            tasks.push_back(spawn([&] { count.fetch_add(1); }));
        }
        for (auto& t : tasks) {
            t.wait();
        }
        EXPECT_EQ(count.load(), 20'000);
    });
}

// As on an event loop: whoever is awaited first, and though a task that has not begun may run in the place of who awaits it.
TEST(spawn, tasks_of_one_task_begin_in_their_order_on_one_worker) {
    run(runtime_options{.workers = 1}, [] {
        std::string order;
        auto const notes = [&](char name) { return [&order, name] { order += name; }; };
        auto a = spawn(notes('a'));
        auto b = spawn(notes('b'));
        b.get();
        auto c = spawn(notes('c'));
        auto d = spawn(notes('d'));
        auto e = spawn(notes('e'));
        wait_for(d, std::chrono::hours(1));
        a.get();
        call_soon(notes('f'));
        spawn(notes('g')).get();
        e.get();
        c.get();
        EXPECT_EQ(order, "abcdefg");
    });
}

// One that awaits its own in turn has them run in its place: else all the tasks of a tree would be there at once.
TEST(spawn, tree_of_tasks_is_gone_through_depth_first_on_one_worker) {
    run(runtime_options{.workers = 1}, [] {
        int most = 0;
        int now = 0;
        std::function<void(int)> grow = [&](int depth) {
            most = std::max(most, ++now);
            if (depth != 0) {
                std::vector<task<void>> children;
                for (int i = 0; i < 4; ++i) {
                    children.push_back(spawn(grow, depth - 1));
                }
                for (auto& each : children) {
                    each.get();
                }
            }
            --now;
        };
        grow(5);
        EXPECT_LT(most, 40);  // of 1,365
    });
}

TEST(spawn, dropped_handle_lets_the_task_run_to_its_end) {
    on_one_and_four_workers([] {
        std::atomic<bool> ended{false};
        {
            auto dropped = spawn([&] {
                yield();
                ended = true;
            });
        }
        test::yield_until([&] { return ended.load(); });
    });
}

TEST(spawn, leaves_a_users_functions_of_the_same_name_alone) {
    EXPECT_EQ(other::call_them(), 123);
    run([] { EXPECT_EQ(spawn(other::worker_options{}, [] { return 5; }).get(), 5); });
}

// Does a task that is awaited by who has used so much of its stack run on that?
COIR_NOINLINE bool runs_in_place_below(std::size_t depth) {
    auto volatile* const room = static_cast<unsigned char volatile*>(__builtin_alloca(depth));
    room[0] = 1;
    auto const here = reinterpret_cast<std::uintptr_t>(room);
    for (int i = 0; i < 3; ++i) {  // once in a while others have a turn
        auto const there = spawn([] { return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)); }).get();
        if (there < here && here - there < 16 * 1024) {
            return true;
        }
    }
    return false;
}

// Whether a task runs in the place of who awaits it decides the order: in a seeded run it must not depend on addresses, as
// the usable size of a stack does.
TEST(spawn, finds_the_same_room_in_place_on_every_stack) {
    run(runtime_options{.workers = 1, .stall_threshold = std::chrono::nanoseconds(0)}, [] {
        std::vector<std::size_t> first_refused;
        event all_have_measured;
        std::vector<task<void>> tasks;
        constexpr int stacks = 16;
        for (int i = 0; i < stacks; ++i) {
            tasks.push_back(spawn([&] {
                std::size_t depth = 32 * 1024;
                while (depth < 128 * 1024 && runs_in_place_below(depth)) {
                    depth += 128;
                }
                first_refused.push_back(depth);
                all_have_measured.wait();  // keeps its stack
            }));
        }
        test::yield_until([&] { return first_refused.size() == stacks; });
        all_have_measured.set();
        for (auto& t : tasks) {
            t.get();
        }
        EXPECT_LT(first_refused.front(), 128u * 1024);
        EXPECT_EQ(std::count(first_refused.begin(), first_refused.end(), first_refused.front()), stacks);
    });
}

}  // namespace
}  // namespace coir
