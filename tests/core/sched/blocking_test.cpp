// SPDX-License-Identifier: BSL-1.0
#include <coir/coir.hpp>

#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using coir::blocking;
using coir::run;
using coir::runtime_options;
using coir::spawn;
using coir::test::on_one_and_four_workers;

TEST(blocking, returns_what_the_function_returns_and_throws_what_it_throws) {
    on_one_and_four_workers([] {
        EXPECT_EQ(blocking([] { return 7; }), 7);
        blocking([] {});
        EXPECT_EQ(*blocking([] { return std::make_unique<int>(8); }), 8);
        std::string text = "here";
        std::string& same = blocking([&]() -> std::string& { return text; });
        EXPECT_EQ(&same, &text);
        EXPECT_THROW(blocking([] { throw std::runtime_error("from inside"); }), std::runtime_error);
    });
}

TEST(blocking, other_tasks_of_the_worker_go_on) {
    run(runtime_options{.workers = 1}, [] {
        std::latch both(2);
        auto other = spawn([&] { both.count_down(); });  // would never run if the only worker were blocked
        blocking([&] { both.arrive_and_wait(); });
        other.get();
    });
}

TEST(blocking, many_at_once_each_have_a_thread) {
    run(runtime_options{.workers = 2}, [] {
        constexpr int k_many = 20;
        std::latch all(k_many);
        std::vector<coir::task<int>> tasks;
        for (int i = 0; i < k_many; ++i) {
            tasks.push_back(spawn([&all, i] {
                return blocking([&] {
                    all.arrive_and_wait();
                    return i;
                });
            }));
        }
        for (int i = 0; i < k_many; ++i) {
            EXPECT_EQ(tasks[static_cast<std::size_t>(i)].get(), i);
        }
    });
}

TEST(blocking, inside_it_coir_sees_a_plain_thread) {
    on_one_and_four_workers([] {
        coir::event e;
        coir::channel<int> c(1);
        auto setter = spawn([&] {
            e.set();
            c.push(3);
        });
        blocking([&] {
            EXPECT_THROW(coir::current_task(), coir::no_running_runtime);
            EXPECT_THROW(spawn([] {}), coir::no_running_runtime);
            e.wait();  // blocks the thread; the setter runs on another one
            EXPECT_EQ(c.pop(), 3);
            coir::sleep(1ms);
        });
        setter.get();
        EXPECT_EQ(coir::current_task().name(), "main");
    });
}

TEST(blocking, on_a_plain_thread_is_a_call) {
    EXPECT_EQ(blocking([] { return 3; }), 3);
}

TEST(blocking, may_be_nested) {
    on_one_and_four_workers([] { EXPECT_EQ(blocking([] { return blocking([] { return 4; }); }), 4); });
}

TEST(blocking, keeps_the_exception_that_its_task_handles) {
    on_one_and_four_workers([] {
        auto handle = [](int number) {
            try {
                throw number;
            } catch (int) {
                blocking([] { std::this_thread::yield(); });
                try {
                    throw;
                } catch (int again) {
                    EXPECT_EQ(again, number);
                }
            }
        };
        std::vector<coir::task<void>> tasks;
        for (int i = 0; i < 50; ++i) {
            tasks.push_back(spawn(handle, i));
        }
        for (auto& t : tasks) {
            t.get();
        }
    });
}

TEST(blocking, in_a_destructor_while_the_stack_unwinds) {
    on_one_and_four_workers([] {
        struct blocks {
            ~blocks() {
                blocking([] { EXPECT_EQ(std::uncaught_exceptions(), 1); });
                EXPECT_EQ(std::uncaught_exceptions(), 1);
            }
        };
        EXPECT_THROW(
            [] {
                blocks const b;
                throw std::runtime_error("unwinding");
            }(),
            std::runtime_error);
        EXPECT_EQ(std::uncaught_exceptions(), 0);
    });
}

TEST(blocking, is_not_interrupted_by_a_cancellation_but_followed_by_it) {
    on_one_and_four_workers([] {
        std::latch begun(1);
        std::latch go(1);
        bool finished = false;
        auto t = spawn([&] {
            blocking([&] {
                begun.count_down();
                go.wait();
            });
            finished = true;
            coir::yield();
            ADD_FAILURE() << "the cancellation was lost";
        });
        blocking([&] { begun.wait(); });
        EXPECT_TRUE(t.cancel());
        go.count_down();
        EXPECT_THROW(t.get(), coir::cancelled);
        EXPECT_TRUE(finished);
    });
}

TEST(blocking, does_not_begin_in_a_cancelled_task) {
    on_one_and_four_workers([] {
        bool called = false;
        auto t = spawn([&] {
            coir::current_task().cancel();
            blocking([&] { called = true; });
        });
        EXPECT_THROW(t.get(), coir::cancelled);
        EXPECT_FALSE(called);
    });
}

TEST(blocking, awaited_in_place_lets_its_awaiter_be_cancelled) {
    run(runtime_options{.workers = 1}, [] {
        std::latch begun(1);
        std::latch go(1);
        auto outer = spawn([&] {
            auto inner = spawn([&] {
                blocking([&] {
                    begun.count_down();
                    go.wait();
                });
                coir::yield();
            });
            inner.get();  // runs it on this stack
        });
        blocking([&] { begun.wait(); });
        outer.cancel();
        go.count_down();
        EXPECT_THROW(outer.get(), coir::cancelled);
    });
}

TEST(blocking, generators_work_inside_and_around_it) {
    on_one_and_four_workers([] {
        auto numbers = [](auto& yield) {
            for (int i = 0; i < 3; ++i) {
                yield(blocking([i] { return i; }));
            }
        };
        int sum = 0;
        for (int i : coir::generator<int>(numbers)) {
            sum += i;
            coir::yield();
        }
        blocking([&] {
            for (int i : coir::generator<int>(numbers)) {
                sum += i;
            }
        });
        EXPECT_EQ(sum, 6);
    });
}

TEST(blocking, keeps_the_strand_of_its_task) {
    on_one_and_four_workers([] {
        coir::strand s;
        std::atomic<int> inside = 0;
        std::vector<coir::task<void>> tasks;
        for (int i = 0; i < 20; ++i) {
            tasks.push_back(spawn(coir::task_options{.strand = s}, [&] {
                for (int k = 0; k < 5; ++k) {
                    blocking([&] {
                        EXPECT_EQ(++inside, 1);
                        std::this_thread::yield();
                        EXPECT_EQ(--inside, 0);
                    });
                    coir::yield();
                }
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
    });
}

TEST(blocking, holds_back_virtual_time) {
    run(runtime_options{.virtual_time = true}, [] {
        auto const start = coir::clock::now();
        auto limited = spawn([] {
            return coir::with_timeout(1h, [] {
                return blocking([] {
                    std::this_thread::sleep_for(20ms);
                    return 1;
                });
            });
        });
        EXPECT_EQ(limited.get(), 1);
        EXPECT_EQ(coir::clock::now(), start);
    });
}

TEST(blocking, threads_are_used_again) {
    run(runtime_options{.workers = 1}, [] {
        std::set<std::thread::id> threads;
        for (int i = 0; i < 100; ++i) {
            threads.insert(blocking([] { return std::this_thread::get_id(); }));
        }
        EXPECT_LT(threads.size(), 50u);  // a new one only while the last is still on its way to being idle
    });
}

TEST(blocking, tens_of_thousands_of_sections_on_few_workers) {
    run(runtime_options{.workers = 3}, [] {
        std::atomic<int> sum = 0;
        std::vector<coir::task<void>> tasks;
        for (int i = 0; i < 8; ++i) {
            tasks.push_back(spawn([&] {
                for (int k = 0; k < 1000; ++k) {
                    sum += blocking([] { return 1; });
                    if (k % 3 == 0) {
                        coir::yield();
                    }
                }
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
        EXPECT_EQ(sum, 8000);
    });
}

}  // namespace
