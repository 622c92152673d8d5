// SPDX-License-Identifier: BSL-1.0
#include <coir/coir.hpp>

#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"

#include <coir/net/readiness.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <latch>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using coir::blocking;
using coir::run;
using coir::runtime_options;
using coir::spawn;
using coir::test::on_one_and_four_workers;

// On a single worker: has somebody else carried the worker meanwhile? The task then goes on on that thread. (Not by
// std::this_thread::get_id(): the compiler takes it for the same before and after.)
template <class F>
bool is_handed_over(F const& f) {
    auto const inside = blocking([&f] {
        f();
        return ::gettid();
    });
    return ::gettid() != inside;
}

// Has this thread of the process nothing to do at the moment?
bool sleeps(pid_t thread) {
    std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("State:")) {
            return line.find("S (sleeping)") != std::string::npos;
        }
    }
    return false;
}

// Without a suspension.
void compute_for(std::chrono::nanoseconds time) {
    for (auto const end = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < end;) {
    }
}

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
        std::set<pid_t> threads;
        for (int i = 0; i < 100; ++i) {
            auto other = spawn([] {});
            // The other one runs only if another thread has the worker.
            pid_t const left = blocking([&other] {
                other.wait();
                return ::gettid();
            });
            threads.insert(left);
            // Before it is idle, the next section would need one more.
            coir::test::yield_until([left] { return sleeps(left); });
        }
        EXPECT_LT(threads.size(), 20u);
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

TEST(blocking, short_sections_keep_their_worker_on_its_thread) {
    run(runtime_options{.workers = 1}, [] {
        // A busy machine may take the core away in the middle of some: in one row of them it lets most be.
        constexpr int k_sections = 1'000;
        constexpr int k_rows = 20;
        int handed_over = k_sections;
        for (int row = 0; row < k_rows && handed_over >= k_sections / 10; ++row) {
            handed_over = 0;
            for (int i = 0; i < k_sections; ++i) {
                handed_over += is_handed_over([] {}) ? 1 : 0;
            }
        }
        EXPECT_LT(handed_over, k_sections / 10);
    });
}

TEST(blocking, what_becomes_ready_while_a_section_lasts_goes_on_elsewhere) {
    coir::runtime home(runtime_options{.workers = 1});
    home.block_on([&home] {
        // A timer, a descriptor and a spawn from outside; each while the monitor watches closely, seldom, and sleeps.
        auto const all_three = [&home] {
            bool woken_inside = false;
            for (auto time = 1ms; !woken_inside; time *= 2) {  // a busy machine may come too late to the section
                std::latch woken(1);
                auto sleeper = spawn([&woken, time] {
                    coir::sleep(time);
                    woken.count_down();
                });
                coir::yield();
                bool const elsewhere = is_handed_over([&woken, &woken_inside] {
                    woken_inside = !woken.try_wait();
                    woken.wait();
                });
                EXPECT_TRUE(elsewhere || !woken_inside);
                sleeper.get();
            }

            std::array<int, 2> ends{};
            ASSERT_EQ(::pipe(ends.data()), 0);
            std::latch readable(1);
            auto reader = spawn([&] {
                coir::net::wait_readable(ends[0]);
                readable.count_down();
            });
            coir::test::yield_until_waiting(reader);
            EXPECT_TRUE(is_handed_over([&] {
                EXPECT_EQ(::write(ends[1], "x", 1), 1);
                readable.wait();
            }));
            reader.get();
            ::close(ends[0]);
            ::close(ends[1]);

            std::latch started(1);
            EXPECT_TRUE(is_handed_over([&] {
                home.spawn([&started] { started.count_down(); });
                started.wait();
            }));
        };
        all_three();
        for (auto const end = std::chrono::steady_clock::now() + 20ms; std::chrono::steady_clock::now() < end;) {
            blocking([] {});
        }
        all_three();
        coir::sleep(150ms);
        all_three();
    });
}

TEST(blocking, tasks_that_are_ready_go_on_at_once) {
    run(runtime_options{.workers = 1}, [] {
        for (int i = 0; i < 100; ++i) {
            std::latch both(2);
            auto other = spawn([&both] { both.count_down(); });
            EXPECT_TRUE(is_handed_over([&both] { both.arrive_and_wait(); }));
            other.get();
        }
    });
}

TEST(blocking, a_row_of_short_sections_lets_others_have_a_turn) {
    run(runtime_options{.workers = 1}, [] {
        bool woken = false;
        auto sleeper = spawn([&woken] {
            coir::sleep(1ms);
            woken = true;
        });
        auto const give_up = std::chrono::steady_clock::now() + 30s;
        while (!woken && std::chrono::steady_clock::now() < give_up) {
            blocking([] {});
        }
        EXPECT_TRUE(woken);
        sleeper.get();
    });
}

// Of one worker, tasks never run at the same time but inside their sections: so an int will do, unless a worker is
// carried twice. The sections end about when they are handed over.
TEST(blocking, a_task_that_is_back_and_the_thread_that_takes_over_race) {
    for (int const tasks : {1, 3}) {
        int outside = 0;
        std::atomic<int> sections{0};
        run(runtime_options{.workers = 1}, [&] {
            constexpr int k_sections = 300;
            std::vector<coir::task<void>> racing;
            for (int t = 0; t < tasks; ++t) {
                racing.push_back(spawn([&outside, &sections, t] {
                    int handed_over = 0;
                    std::uint32_t random = static_cast<std::uint32_t>(t) + 1;
                    // For a task alone it is the monitor who hands over, when it gets a core.
                    for (int i = 0; i < k_sections || handed_over == 0; ++i) {
                        random = random * 1664525 + 1013904223;
                        auto const time = std::chrono::microseconds(random >> 24);  // up to 255
                        handed_over += is_handed_over([time] { compute_for(time); }) ? 1 : 0;
                        ++outside;
                        ++sections;
                        if (i % 7 == 0) {
                            coir::sleep(1us);
                        }
                    }
                }));
            }
            for (auto& t : racing) {
                t.get();
            }
            EXPECT_EQ(outside, sections);
        });
    }
}

TEST(blocking, the_end_of_the_runtime_waits_for_a_section) {
    for (unsigned const workers : {1u, 4u}) {
        coir::runtime home(runtime_options{.workers = workers});
        std::latch begun(1);
        std::atomic<bool> finished = false;
        auto t = home.spawn([&] {
            blocking([&] {
                begun.count_down();
                try {
                    for (;;) {
                        home.spawn([] {}).wait();
                    }
                } catch (coir::no_running_runtime const&) {
                    finished = true;
                }
            });
        });
        begun.wait();
        home.shutdown();
        EXPECT_TRUE(finished);
        t.get();
    }
}

TEST(blocking, a_thread_in_reserve_hides_no_deadlock) {
    EXPECT_THROW(run(runtime_options{.workers = 1},
                     [] {
                         // Nobody is sure while a thread is still on its way to its sleep: so not a fresh one.
                         auto other = spawn([] {});
                         blocking([&other] { other.wait(); });
                         coir::sleep(20ms);
                         blocking([] {});
                         coir::event never;
                         never.wait();
                     }),
                 coir::deadlock_error);
}

}  // namespace
