// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/gather.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/future.hpp>
#include <coir/core/task/task_ref.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;
using test::sleep_forever;
using test::yield_until_waiting;

TEST(gather, gives_results_in_argument_order) {
    on_one_and_four_workers([] {
        promise<std::string> p;
        auto f = p.get_future();
        auto t = spawn([] {
            sleep(test::k_a_moment);
            return 1;
        });
        p.set_value("two");
        auto const result = gather(t, f, [] { return 3.0; });
        static_assert(std::is_same_v<decltype(result), std::tuple<int, std::string, double> const>);
        EXPECT_EQ(result, std::make_tuple(1, std::string("two"), 3.0));
    });
}

TEST(gather, void_becomes_monostate) {
    on_one_and_four_workers([] {
        auto const result = gather([] {}, [] { return 1; });
        static_assert(std::is_same_v<decltype(result), std::tuple<std::monostate, int> const>);
        EXPECT_EQ(std::get<1>(result), 1);
    });
}

TEST(gather, nothing_gives_nothing) {
    on_one_and_four_workers([] {
        EXPECT_EQ(gather(), std::tuple<>());
        std::vector<task<int>> none;
        EXPECT_TRUE(gather(none).empty());
    });
}

TEST(gather, range_gives_a_vector_in_its_order) {
    on_one_and_four_workers([] {
        std::vector<task<int>> tasks;
        for (int i = 0; i < 100; ++i) {
            tasks.push_back(spawn([i] {
                if (i % 3 == 0) {
                    yield();
                }
                return i;
            }));
        }
        std::vector<int> const results = gather(tasks);
        ASSERT_EQ(results.size(), 100u);
        for (int i = 0; i < 100; ++i) {
            EXPECT_EQ(results[static_cast<std::size_t>(i)], i);
        }
    });
}

TEST(gather, range_of_callables_and_temporaries) {
    on_one_and_four_workers([] {
        std::vector<std::function<int()>> calls{[] { return 1; }, [] { return 2; }};
        EXPECT_EQ(gather(calls), (std::vector<int>{1, 2}));
        auto make = [] {
            std::vector<task<void>> tasks;
            tasks.push_back(spawn([] {}));
            return tasks;
        };
        EXPECT_EQ(gather(make()).size(), 1u);
    });
}

TEST(gather, moves_move_only_results) {
    on_one_and_four_workers([] {
        auto [a, b] = gather([] { return std::make_unique<int>(1); }, [] { return std::make_unique<int>(2); });
        EXPECT_EQ(*a + *b, 3);
    });
}

TEST(gather, shared_future_may_stand_there_twice) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto const f = p.get_future().share();
        auto t = spawn([&] { return gather(f, f); });
        yield_until_waiting(t);
        p.set_value(5);
        EXPECT_EQ(t.get(), std::make_tuple(5, 5));
    });
}

TEST(gather, first_exception_is_rethrown_and_handles_run_on) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto slow = spawn([f = p.get_future()]() mutable { return f.get(); });
        auto bad = spawn([]() -> int { throw std::runtime_error("first"); });
        EXPECT_THROW(gather(slow, bad), std::runtime_error);
        EXPECT_FALSE(slow.done());
        EXPECT_EQ(slow.cancelling(), 0u);
        p.set_value(1);
        EXPECT_EQ(slow.get(), 1);
    });
}

TEST(gather, callables_are_awaited_before_the_exception_leaves) {
    on_one_and_four_workers([] {
        std::atomic<bool> ended{false};
        EXPECT_THROW(gather(
                         [&] {
                             for (int i = 0; i < 10; ++i) {
                                 sleep(test::k_a_moment);
                             }
                             ended = true;
                         },
                         [] { throw std::runtime_error("first"); }),
                     std::runtime_error);
        EXPECT_TRUE(ended);
    });
}

TEST(gather, children_do_not_outlive_a_call_that_fails_to_start_the_others) {
    on_one_and_four_workers([] {
        std::atomic<int> running{0};
        auto const child = [&] {
            running.fetch_add(1);
            try {
                sleep_forever();
            } catch (cancelled const&) {
                yield();
                running.fetch_sub(1);
                throw;
            }
        };
        task<int> empty;
        EXPECT_THROW(gather(child, empty, child), invalid_state);
        EXPECT_EQ(running, 0);
        EXPECT_EQ(all_tasks().size(), 1u);

        struct no_copy_after_two {
            std::function<void()> body;
            int* copies;
            no_copy_after_two(std::function<void()> b, int* c) : body(std::move(b)), copies(c) {}
            no_copy_after_two(no_copy_after_two const& other) : body(other.body), copies(other.copies) {
                if (++*copies > 2) {
                    throw std::runtime_error("no more copies");
                }
            }
            void operator()() const { body(); }
        };
        int copies = -8;  // those of the vector
        std::vector<no_copy_after_two> callables;
        callables.reserve(4);
        for (int i = 0; i < 4; ++i) {
            callables.emplace_back(child, &copies);
        }
        copies = 0;
        EXPECT_THROW(gather(callables), std::runtime_error);
        EXPECT_EQ(running, 0);
        EXPECT_EQ(all_tasks().size(), 1u);
    });
}

TEST(gather, rethrows_the_failure_that_came_first) {
    on_one_and_four_workers([] {
        promise<void> first;
        promise<void> second;
        auto f1 = first.get_future();
        auto f2 = second.get_future();
        auto waiter = spawn([&] { gather(f1, f2); });
        yield_until_waiting(waiter);
        second.set_exception(std::make_exception_ptr(std::runtime_error("second promise, first in time")));
        first.set_exception(std::make_exception_ptr(std::logic_error("first promise, second in time")));
        EXPECT_THROW(waiter.get(), std::runtime_error);
    });
}

TEST(gather, cancelled_child_counts_as_an_exception) {
    on_one_and_four_workers([] {
        auto t = spawn(sleep_forever);
        t.cancel();
        EXPECT_THROW(gather(t), cancelled);
        EXPECT_NO_THROW(yield());
    });
}

TEST(gather, cancelled_caller_cancels_all_and_waits_for_them) {
    on_one_and_four_workers([] {
        std::atomic<int> started{0};
        std::atomic<int> cleaned_up{0};
        auto child = [&] {
            try {
                started.fetch_add(1);
                sleep_forever();
            } catch (cancelled const&) {
                yield();
                cleaned_up.fetch_add(1);
                throw;
            }
        };
        auto a = spawn(child);
        auto b = spawn(child);
        auto t = spawn([&] {
            try {
                gather(a, b, child);
            } catch (cancelled const&) {
                EXPECT_EQ(cleaned_up, 3);
                throw;
            }
        });
        test::yield_until([&] { return started == 3; });  // one of them is the child of the callable
        yield_until_waiting(t);
        t.cancel();
        EXPECT_THROW(t.get(), cancelled);
        EXPECT_TRUE(a.cancelled());
        EXPECT_TRUE(b.cancelled());
    });
}

TEST(gather, on_a_plain_thread_waits_for_handles) {
    runtime rt(runtime_options{.workers = 2});
    auto a = rt.spawn([] {
        sleep(test::k_a_moment);
        return 1;
    });
    auto b = rt.spawn([] { return std::string("b"); });
    EXPECT_EQ(gather(a, b), std::make_tuple(1, std::string("b")));
    auto bad = rt.spawn([] { throw std::runtime_error("broken"); });
    EXPECT_THROW(gather(bad), std::runtime_error);
}

TEST(gather, callable_on_a_plain_thread_throws) {
    EXPECT_THROW(gather([] { return 1; }), no_running_runtime);
}

TEST(gather, empty_handle_throws_invalid_state) {
    on_one_and_four_workers([] {
        task<int> none;
        EXPECT_THROW(gather(none), invalid_state);
    });
}

TEST(gather, many_failures_at_once_throw_one) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 50; ++round) {
            std::vector<task<int>> tasks;
            for (int i = 0; i < 20; ++i) {
                tasks.push_back(spawn([]() -> int { throw std::runtime_error("one of many"); }));
            }
            EXPECT_THROW(gather(tasks), std::runtime_error);
            for (auto& t : tasks) {
                EXPECT_THROW(t.get(), std::runtime_error);
            }
        }
    });
}

TEST(gather, callables_start_in_argument_order) {
    run(runtime_options{.workers = 1}, [] {
        std::vector<int> order;
        gather([&] { order.push_back(1); }, [&] { order.push_back(2); }, [&] { order.push_back(3); });
        EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
    });
}

}  // namespace
}  // namespace coir
