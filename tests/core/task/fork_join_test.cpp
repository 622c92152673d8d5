// SPDX-License-Identifier: BSL-1.0
#include <coir/coir.hpp>
#include <coir/core/base/config.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <compare>
#include <cstddef>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using coir::fork_join;
using coir::run;
using coir::runtime_options;
using ::testing::ElementsAre;

// One worker, several, and orders that a seed decides.
std::vector<runtime_options> const k_variants = {
    runtime_options{.workers = 1},
    runtime_options{.workers = 4},
    runtime_options{.workers = 1, .seed = 3},
    runtime_options{.workers = 2, .seed = 4},
};

template <class F>
void in_all_variants(F const& f) {
    for (auto const& options : k_variants) {
        SCOPED_TRACE(::testing::Message()
                     << options.workers << " workers, seed " << (options.seed ? static_cast<long>(*options.seed) : -1));
        run(options, [&] { f(); });
    }
}

// NOLINTNEXTLINE(misc-no-recursion)
unsigned fib(unsigned n) {
    if (n < 2) {
        return n;
    }
    auto const [a, b] = fork_join([n] { return fib(n - 1); }, [n] { return fib(n - 2); });
    return a + b;
}

TEST(fork_join, returns_all_results_in_argument_order) {
    in_all_variants([] {
        int target = 5;
        auto results = fork_join([] { return 1; }, [] { return std::string("two"); }, [] {},
                                 [] { return std::make_unique<int>(4); }, [&target]() -> int& { return target; });
        static_assert(std::is_same_v<decltype(results),
                                     std::tuple<int, std::string, std::monostate, std::unique_ptr<int>, int&>>);
        EXPECT_EQ(std::get<0>(results), 1);
        EXPECT_EQ(std::get<1>(results), "two");
        EXPECT_EQ(*std::get<3>(results), 4);
        EXPECT_EQ(&std::get<4>(results), &target);
        EXPECT_EQ(std::get<0>(fork_join([] { return 7; })), 7);
    });
}

TEST(fork_join, a_tree_of_calls_computes_what_recursion_does) {
    in_all_variants([] { EXPECT_EQ(fib(COIR_TSAN ? 16 : 20), COIR_TSAN ? 987U : 6765U); });
}

TEST(fork_join, calls_that_nobody_takes_run_one_after_another_on_the_callers_task) {
    run({.workers = 1}, [] {
        std::vector<int> order;
        std::uint64_t const self = coir::current_task().id();
        auto call = [&](int which) {
            return [&order, which, self] {
                EXPECT_EQ(coir::current_task().id(), self);
                order.push_back(which);
            };
        };
        fork_join(call(1), call(2), call(3), call(4));
        EXPECT_THAT(order, ElementsAre(1, 2, 3, 4));
    });
}

TEST(fork_join, nothing_is_spawned_for_calls_that_nobody_takes) {
    coir::runtime home(runtime_options{.workers = 1});
    home.block_on([] { fib(5); });
    auto const before = home.stats().tasks_spawned;
    home.block_on([] { fib(15); });
    EXPECT_EQ(home.stats().tasks_spawned - before, 1U);  // the main task of block_on
}

TEST(fork_join, a_call_that_waits_for_a_later_one_lets_it_run) {
    in_all_variants([] {
        coir::event first;
        coir::event second;
        std::vector<int> order;
        fork_join(
            [&] {
                second.wait();
                order.push_back(3);
            },
            [&] {
                first.wait();
                order.push_back(2);
                second.set();
            },
            [&] {
                order.push_back(1);
                first.set();
            });
        EXPECT_THAT(order, ElementsAre(1, 2, 3));
    });
}

TEST(fork_join, a_call_that_computes_on_does_not_keep_the_others_from_idle_workers) {
    run({.workers = 4}, [] {
        std::atomic<int> arrived{0};
        auto meet = [&arrived] {
            ++arrived;
            while (arrived < 4) {
                std::this_thread::yield();
            }
        };
        fork_join(meet, meet, meet, meet);  // without four workers on them at once this does not end
        EXPECT_EQ(arrived, 4);
    });
}

TEST(fork_join, calls_that_suspend_and_go_on_elsewhere_are_joined_in_their_frames) {
    in_all_variants([] {
        // NOLINTNEXTLINE(misc-no-recursion)
        auto tree = [](auto const& self, int depth) -> int {
            if (depth == 0) {
                coir::yield();
                return 1;
            }
            auto const [a, b, c] = fork_join(
                [&] {
                    int const below = self(self, depth - 1);
                    coir::sleep(10us);
                    return below;
                },
                [&] { return self(self, depth - 1); },
                [&] {
                    coir::yield();
                    return self(self, depth - 1);
                });
            return a + b + c;
        };
        EXPECT_EQ(tree(tree, 6), 729);
    });
}

TEST(fork_join, deeper_than_the_stack_of_open_calls_everything_is_run_once) {
    for (unsigned const workers : {1U, 4U}) {
        run({.workers = workers, .stack_size = 8U << 20U}, [] {
            std::atomic<int> calls{0};
            // NOLINTNEXTLINE(misc-no-recursion)
            auto down = [&calls](auto const& self, int depth) -> void {
                if (depth > 0) {
                    fork_join([&] { self(self, depth - 1); }, [&] { ++calls; });
                }
            };
            down(down, 2000);
            EXPECT_EQ(calls, 2000);
        });
    }
}

struct failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

TEST(fork_join, throws_the_first_failure_in_argument_order_when_all_have_ended) {
    in_all_variants([] {
        coir::event both;
        bool ended = false;
        try {
            fork_join(
                [&] {
                    both.wait();
                    ended = true;
                },
                [&]() -> int {
                    both.set();
                    throw failure("second");
                },
                []() -> int { throw failure("third"); });
            ADD_FAILURE() << "nothing was thrown";
        } catch (failure const& e) {
            // The third may not have started when the second failed; if it has, it does not come first.
            EXPECT_STREQ(e.what(), "second");
        }
        EXPECT_TRUE(ended);
    });
}

TEST(fork_join, calls_behind_a_failure_do_not_start) {
    run({.workers = 1}, [] {
        bool started = false;
        EXPECT_THROW(fork_join([] { throw failure("first"); }, [&] { started = true; }), failure);
        EXPECT_FALSE(started);
        EXPECT_EQ(fib(10), 55U);  // and nothing is left behind
    });
}

TEST(fork_join, needs_a_task) {
    bool called = false;
    EXPECT_THROW(fork_join([&] { called = true; }, [&] { called = true; }), coir::no_running_runtime);
    EXPECT_FALSE(called);
    run([&] { coir::blocking([&] { EXPECT_THROW(fork_join([] {}, [] {}), coir::no_running_runtime); }); });
}

TEST(fork_join, on_a_strand_runs_one_after_another) {
    for (unsigned const workers : {1U, 4U}) {
        run({.workers = workers}, [] {
            coir::strand const one;
            coir::spawn({.strand = one}, [] {
                std::vector<int> order;
                fork_join(
                    [&] {
                        order.push_back(1);
                        coir::yield();
                        order.push_back(2);
                    },
                    [&] {
                        order.push_back(3);
                        coir::sleep(1ms);
                        order.push_back(4);
                    },
                    [&] { order.push_back(5); });
                EXPECT_THAT(order, ElementsAre(1, 2, 3, 4, 5));
            }).get();
        });
    }
}

TEST(fork_join, joining_is_no_cancellation_point) {
    in_all_variants([] {
        coir::event started;
        coir::event go_on;
        bool joined = false;
        auto victim = coir::spawn([&] {
            fork_join(
                [&] {
                    coir::cancel_shield const shield;
                    started.set();
                    go_on.wait();
                },
                [&] {
                    coir::cancel_shield const shield;
                    go_on.wait();
                    coir::yield();
                });
            joined = true;
            coir::yield();
        });
        started.wait();
        victim.cancel();
        coir::yield();
        go_on.set();
        EXPECT_THROW(victim.get(), coir::cancelled);
        EXPECT_TRUE(joined);
    });
}

TEST(fork_join, a_cancelled_call_ends_the_whole) {
    in_all_variants([] {
        coir::event never;
        coir::event started;
        auto victim = coir::spawn([&] {
            fork_join(
                [&] {
                    started.set();
                    never.wait();
                },
                [] {});
        });
        started.wait();
        victim.cancel();
        EXPECT_THROW(victim.get(), coir::cancelled);
    });
}

TEST(fork_join, shutting_the_runtime_down_ends_calls_that_wait) {
    for (unsigned const workers : {1U, 4U}) {
        coir::runtime home(runtime_options{.workers = workers});
        auto const started = std::make_shared<coir::latch>(2);
        auto const never = std::make_shared<coir::event>();
        auto waiting = home.spawn([started, never] {
            auto wait = [&] {
                started->count_down();
                never->wait();
            };
            fork_join(wait, wait);
        });
        home.block_on([started] { started->wait(); });
        home.shutdown();
        EXPECT_THROW(waiting.get(), coir::cancelled);
    }
}

TEST(fork_join, calls_see_the_context_of_their_caller) {
    in_all_variants([] {
        coir::context_var<int> number(0);
        number.set(1);
        // NOLINTNEXTLINE(misc-no-recursion)
        auto tree = [&](auto const& self, int depth) -> void {
            EXPECT_EQ(number.get(), 1);
            if (depth > 0) {
                fork_join(
                    [&] {
                        self(self, depth - 1);
                        coir::yield();
                    },
                    [&] { self(self, depth - 1); });
            }
        };
        tree(tree, 6);
    });
}

TEST(fork_join, a_call_put_off_before_a_variable_is_set_sees_the_old_value) {
    run({.workers = 1}, [] {
        coir::context_var<int> number(0);
        number.set(1);
        int seen = 0;
        fork_join(
            [&] {
                auto before = number.set(2);
                EXPECT_EQ(number.get(), 2);
                number.reset(before);
            },
            [&] { seen = number.get(); });
        EXPECT_EQ(seen, 1);
    });
}

TEST(fork_join, works_inside_generators_and_callables_that_use_them) {
    in_all_variants([] {
        auto numbers = [] {
            return coir::generator<unsigned>([](auto& yield) {
                for (unsigned i = 1; i < 6; ++i) {
                    unsigned below = 0;
                    fork_join([&] { yield(i); }, [&] { below = fib(i); });
                    EXPECT_EQ(below, fib(i));
                }
            });
        };
        auto sum = [&] {
            unsigned total = 0;
            for (unsigned const i : numbers()) {
                total += std::get<0>(fork_join([&] { return fib(i); }, [] {}));
            }
            return total;
        };
        auto const [a, b] = fork_join(sum, sum);
        EXPECT_EQ(a, 1U + 1U + 2U + 3U + 5U);
        EXPECT_EQ(b, a);
    });
}

TEST(fork_join, awaits_eager_and_blocking_calls_inside) {
    in_all_variants([] {
        auto busy = [] {
            unsigned const spawned = coir::spawn([] { return fib(8); }).get();
            unsigned const eager = coir::spawn({.eager = true}, [] { return fib(8); }).get();
            unsigned const blocked = coir::blocking([] { return 21U; });
            return spawned + eager + blocked;
        };
        auto const [a, b, c] = fork_join(busy, busy, busy);
        EXPECT_EQ(a + b + c, 189U);
    });
}

TEST(fork_join, on_a_strand_calls_stay_in_their_frame_while_other_workers_look_for_work) {
    run({.workers = 4}, [] {
        fib(12);  // the worker has a stack of open calls from now on
        coir::strand const one;
        coir::spawn({.strand = one}, [] {
            std::vector<int> order;
            fork_join(
                [&] {
                    auto const until = std::chrono::steady_clock::now() + 20ms;
                    while (std::chrono::steady_clock::now() < until) {
                    }
                    order.push_back(1);
                },
                [&] { order.push_back(2); });
            EXPECT_THAT(order, ElementsAre(1, 2));
        }).get();
    });
}

TEST(fork_join, calls_of_a_task_with_its_own_stack_have_as_much_room) {
    for (unsigned const workers : {1U, 4U}) {
        run({.workers = workers, .stack_size = 64U << 10U}, [] {
            // NOLINTNEXTLINE(misc-no-recursion)
            auto deep = [](auto const& self, int depth) -> int {
                char volatile room[1024];
                room[0] = static_cast<char>(depth);
                return depth == 0 ? room[0] : self(self, depth - 1) + (room[0] != 0 ? 1 : 0);
            };
            auto call = [&deep] {
                coir::yield();  // so that the others become tasks
                return deep(deep, 500) > 0;
            };
            EXPECT_TRUE(coir::spawn({.stack_size = 4U << 20U}, [&] {
                            auto const [a, b, c] = fork_join(call, call, call);
                            return a && b && c;
                        }).get());
        });
    }
}

TEST(fork_join, computes_to_its_end_in_a_task_that_is_being_shut_down) {
    for (unsigned const workers : {1U, 4U}) {
        coir::runtime home(runtime_options{.workers = workers});
        auto const started = std::make_shared<coir::event>();
        auto const sums = std::make_shared<std::atomic<unsigned>>(0);
        auto waiting = home.spawn([started, sums] {
            coir::event never;
            started->set();
            try {
                never.wait();
            } catch (coir::cancelled const&) {
                *sums = fib(18);
                throw;
            }
        });
        home.block_on([started] { started->wait(); });
        home.shutdown();
        EXPECT_EQ(*sums, 2584U);
    }
}

TEST(fork_join, a_result_that_holds_an_unfinished_generator_ends_after_its_task) {
    for (int round = 0; round < 50; ++round) {
        run({.workers = 4}, [] {
            coir::event ended;
            coir::spawn([&ended] {
                fib(8);
                coir::generator<int> numbers([&ended](auto& yield) {
                    struct at_end {
                        coir::event& e;
                        ~at_end() { e.set(); }
                    } const tell{ended};
                    for (int i = 0;; ++i) {
                        yield(i);
                    }
                });
                static_cast<void>(numbers.begin());
                return numbers;
            }).detach();
            ended.wait();
        });
    }
}

// ---- loops

TEST(parallel_for, calls_each_index_once) {
    in_all_variants([] {
        for (std::size_t const grain : {1U, 7U, 1000U}) {
            std::vector<std::atomic<int>> calls(500);
            coir::parallel_for(0, calls.size(), grain, [&](std::size_t i) { ++calls[i]; });
            for (auto const& c : calls) {
                EXPECT_EQ(c, 1);
            }
        }
    });
}

TEST(parallel_for, takes_negative_indices_iterators_and_empty_ranges) {
    in_all_variants([] {
        std::atomic<int> sum{0};
        coir::parallel_for(-10, 11L, 3, [&](long i) { sum += static_cast<int>(i) + 1; });
        EXPECT_EQ(sum, 21);
        std::vector<int> values(100, 1);
        coir::parallel_for(values.begin(), values.end(), 10, [](auto at) { *at += 1; });
        EXPECT_EQ(std::accumulate(values.begin(), values.end(), 0), 200);
        coir::parallel_for(5, 5, 1, [](int) { ADD_FAILURE(); });
        coir::parallel_for(6, 5U, 1, [](unsigned) { ADD_FAILURE(); });
        coir::parallel_for(values.end(), values.begin(), 1, [](auto) { ADD_FAILURE(); });
    });
}

TEST(parallel_for, pieces_are_of_at_most_one_grain_and_in_order) {
    run({.workers = 1}, [] {
        std::vector<int> order;
        coir::parallel_for(0, 10, 3, [&](int i) { order.push_back(i); });
        EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    });
}

TEST(parallel_for, counts_ranges_larger_than_their_type) {
    in_all_variants([] {
        std::atomic<int> calls{0};
        std::atomic<int> sum{0};
        using limits = std::numeric_limits<signed char>;
        coir::parallel_for(limits::min(), limits::max(), 10, [&](signed char i) {
            ++calls;
            sum += i;
        });
        EXPECT_EQ(calls, 255);
        EXPECT_EQ(sum, -255);
        // By halves, of which the first one's first index is the first of all.
        try {
            coir::parallel_for(std::numeric_limits<int>::min(), std::numeric_limits<int>::max(), 1U << 30U,
                               [](int i) { throw failure(std::to_string(i)); });
            ADD_FAILURE();
        } catch (failure const& e) {
            EXPECT_STREQ(e.what(), "-2147483648");
        }
    });
}

TEST(parallel_for, needs_a_task) {
    EXPECT_THROW(coir::parallel_for(0, 2, 10, [](int) {}), coir::no_running_runtime);
    EXPECT_THROW(fork_join([] {}), coir::no_running_runtime);
}

TEST(parallel_for, bad_arguments_are_refused) {
    run([] {
        EXPECT_THROW(coir::parallel_for(0, 10, 0, [](int) {}), std::invalid_argument);
        EXPECT_THROW(coir::parallel_for(-1, 10U, 1, [](unsigned) {}), std::invalid_argument);
        EXPECT_THROW(coir::parallel_reduce(
                         0, 10, 0, 0, [](int i) { return i; }, std::plus<>()),
                     std::invalid_argument);
    });
}

TEST(parallel_for, one_failure_ends_the_loop_early) {
    run({.workers = 1}, [] {
        int calls = 0;
        EXPECT_THROW(coir::parallel_for(0, 1000, 1,
                                        [&](int i) {
                                            ++calls;
                                            if (i == 3) {
                                                throw failure("at 3");
                                            }
                                        }),
                     failure);
        EXPECT_EQ(calls, 4);
    });
}

TEST(parallel_for, of_failures_that_of_the_first_index_is_thrown_when_all_calls_have_ended) {
    in_all_variants([] {
        for (int round = 0; round < 20; ++round) {
            std::atomic<int> running{0};
            try {
                coir::parallel_for(0, 1000, 1, [&](int i) {
                    ++running;
                    if (i % 16 == 0) {
                        coir::yield();
                    }
                    --running;
                    if (i == 333 || i == 500 || i == 999) {
                        throw failure(std::to_string(i));
                    }
                });
                ADD_FAILURE();
            } catch (failure const& e) {
                EXPECT_STREQ(e.what(), "333");
            }
            EXPECT_EQ(running, 0);
        }
    });
}

TEST(parallel_for, a_call_that_waits_for_a_later_one_lets_it_run) {
    in_all_variants([] {
        std::vector<coir::event> done(100);
        coir::parallel_for(std::size_t{0}, done.size(), 1, [&](std::size_t i) {
            if (i + 1 < done.size()) {
                done[i + 1].wait();
            }
            done[i].set();
        });
        EXPECT_TRUE(done[0].is_set());
    });
}

// An iterator that cannot be assigned or copied any more at some point.
class tiring_iterator {
public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    using reference = int;
    using pointer = void;

    tiring_iterator() = default;
    tiring_iterator(int at, int* copies_left) : at_(at), copies_left_(copies_left) {}
    tiring_iterator(tiring_iterator const& other) : at_(other.at_), copies_left_(other.copies_left_) { tire(); }
    tiring_iterator& operator=(tiring_iterator const& other) {
        at_ = other.at_;
        copies_left_ = other.copies_left_;
        tire();
        return *this;
    }
    ~tiring_iterator() = default;

    int operator*() const { return at_; }
    int operator[](difference_type i) const { return at_ + static_cast<int>(i); }
    auto operator<=>(tiring_iterator const& other) const { return at_ <=> other.at_; }
    bool operator==(tiring_iterator const& other) const { return at_ == other.at_; }
    tiring_iterator& operator+=(difference_type i) {
        at_ += static_cast<int>(i);
        return *this;
    }
    tiring_iterator& operator-=(difference_type i) { return *this += -i; }
    tiring_iterator& operator++() { return *this += 1; }
    tiring_iterator& operator--() { return *this += -1; }
    tiring_iterator operator++(int) { return std::exchange(*this, *this + 1); }
    tiring_iterator operator--(int) { return std::exchange(*this, *this - 1); }
    friend tiring_iterator operator+(tiring_iterator it, difference_type i) { return it += i; }
    friend tiring_iterator operator+(difference_type i, tiring_iterator it) { return it += i; }
    friend tiring_iterator operator-(tiring_iterator it, difference_type i) { return it -= i; }
    friend difference_type operator-(tiring_iterator const& a, tiring_iterator const& b) { return a.at_ - b.at_; }

private:
    void tire() const {
        if (copies_left_ != nullptr && --*copies_left_ < 0) {
            throw failure("tired");
        }
    }

    int at_ = 0;
    int* copies_left_ = nullptr;
};
static_assert(std::random_access_iterator<tiring_iterator>);

TEST(parallel_for, failures_of_the_iterator_end_the_loop_and_nothing_else) {
    run({.workers = 1}, [] {
        bool has_succeeded = false;
        for (int copies = 0; !has_succeeded; ++copies) {
            int left = copies;
            int outer_calls = 0;
            fork_join(
                [&] {
                    try {
                        coir::parallel_for(tiring_iterator(0, &left), tiring_iterator(20, &left), 1,
                                           [](auto const&) {});
                        has_succeeded = true;
                    } catch (failure const&) {
                    }
                    ++outer_calls;
                },
                [&] { ++outer_calls; });
            EXPECT_EQ(outer_calls, 2);
            ASSERT_LT(copies, 1000);
        }
    });
}

TEST(parallel_for, loops_in_loops_call_each_pair_of_indices_once) {
    in_all_variants([] {
        std::vector<std::atomic<int>> calls(3'600);
        coir::parallel_for(0, 60, 1, [&](int i) {
            coir::parallel_for(0, 60, 1, [&](int j) {
                if ((i + j) % 32 == 0) {
                    coir::yield();
                }
                ++calls[static_cast<std::size_t>(i * 60 + j)];
            });
        });
        for (auto const& c : calls) {
            EXPECT_EQ(c, 1);
        }
    });
}

// Sums of floating-point numbers depend on what is added to what.
TEST(parallel_reduce, adds_the_same_halves_whoever_computes_them) {
    auto const term = [](int i) { return 1.0 / (1 + i); };
    std::function<double(int, int)> const halves = [&](int first, int last) {
        if (last - first == 1) {
            return term(first);
        }
        int const middle = first + (last - first) / 2;
        return halves(first, middle) + halves(middle, last);
    };
    in_all_variants([&] {
        for (int const count : {1, 2, 3, 16, 17, 33, 1'000}) {
            double const sum = coir::parallel_reduce(
                0, count, 1, 0.0,
                [&](int i) {
                    if (i % 7 == 0) {
                        coir::yield();
                    }
                    return term(i);
                },
                std::plus<>());
            EXPECT_EQ(sum, halves(0, count)) << count;
        }
    });
}

TEST(parallel_reduce, takes_large_results_and_failures_of_combine) {
    struct large {
        std::array<int, 100> filler{};
        std::vector<int> indices;
    };
    in_all_variants([] {
        auto const reduce = [](int fails_at) {
            return coir::parallel_reduce(
                0, 200, 1, large(),
                [](int i) {
                    if (i % 5 == 0) {
                        coir::yield();
                    }
                    return large{{}, {i}};
                },
                [fails_at](large a, large const& b) {
                    if (!a.indices.empty() && b.indices.front() == fails_at) {
                        throw failure("cannot combine");
                    }
                    a.indices.insert(a.indices.end(), b.indices.begin(), b.indices.end());
                    return a;
                });
        };
        std::vector<int> all(200);
        std::iota(all.begin(), all.end(), 0);
        EXPECT_EQ(reduce(-1).indices, all);
        for (int const i : {1, 7, 100, 199}) {
            EXPECT_THROW(reduce(i), failure);
        }
    });
}

TEST(parallel_reduce, keeps_the_order_of_the_operands) {
    in_all_variants([] {
        auto const text = coir::parallel_reduce(
            0, 26, 2, std::string(), [](int i) { return std::string(1, static_cast<char>('a' + i)); },
            [](std::string a, std::string const& b) { return std::move(a) + b; });
        EXPECT_EQ(text, "abcdefghijklmnopqrstuvwxyz");
        EXPECT_EQ(coir::parallel_reduce(
                      0, 0, 1, 42, [](int i) { return i; }, std::plus<>()),
                  42);
        EXPECT_EQ(coir::parallel_reduce(
                      1, 10'001, 16, 0LL, [](long long i) { return i; }, std::plus<>()),
                  50'005'000);
    });
}

}  // namespace
