// SPDX-License-Identifier: BSL-1.0
//
// Many tasks on many workers: none is lost, none runs twice.

#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"
#include "tests/support/stress.hpp"

#include <coir/core/sched/blocking.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/gather.hpp>
#include <coir/core/task/task_group.hpp>
#include <coir/core/task/timeout.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/semaphore.hpp>

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include <sys/eventfd.h>
#include <unistd.h>

namespace coir {
namespace {

using tasks = test::stress;

// A tree whose nodes yield, sleep or await as their seed says. Returns how many nodes it has.
int grow(std::uint64_t seed, int levels) {
    std::mt19937_64 random(seed);
    if (random() % 4 == 0) {
        yield();
    }
    if (random() % 64 == 0) {
        sleep(std::chrono::microseconds(random() % 200));
    }
    if (levels == 0) {
        return 1;
    }
    std::vector<task<int>> children;
    for (std::uint64_t i = 0; i < 1 + random() % 3; ++i) {
        children.push_back(spawn(grow, random(), levels - 1));
    }
    int nodes = 1;
    for (auto& child : children) {
        if (random() % 2 == 0) {
            child.wait();
        }
        nodes += child.get();
    }
    return nodes;
}

TEST_F(tasks, tree_has_the_same_number_of_nodes_on_any_number_of_workers) {
    while (another_round(5)) {
        auto const seed = random()();
        int const alone = run(runtime_options{.workers = 1}, grow, seed, 8);
        EXPECT_EQ(run(runtime_options{.workers = workers()}, grow, seed, 8), alone);
        did(static_cast<std::uint64_t>(alone));
    }
}

TEST_F(tasks, every_task_runs_once_whoever_spawns_and_steals_it) {
    constexpr std::size_t k_tasks = 20'000;
    while (another_round(2, 2 * k_tasks)) {
        std::vector<std::atomic<int>> ran(2 * k_tasks);
        runtime rt(runtime_options{.workers = workers()});
        std::thread outside([&] {
            std::vector<task<void>> made;
            for (std::size_t i = 0; i < k_tasks; ++i) {
                made.push_back(rt.spawn([&ran, i] { ran[i].fetch_add(1); }));
            }
            for (auto& t : made) {
                t.get();
            }
        });
        rt.block_on([&] {
            std::vector<task<void>> made;
            for (std::size_t i = k_tasks; i < 2 * k_tasks; ++i) {
                made.push_back(spawn([&ran, i] {
                    if (i % 5 == 0) {
                        yield();
                    }
                    ran[i].fetch_add(1);
                }));
            }
            for (auto& t : made) {
                t.get();
            }
        });
        outside.join();
        for (auto const& count : ran) {
            ASSERT_EQ(count, 1);
        }
    }
}

TEST_F(tasks, every_one_that_is_cancelled_at_random_ends) {
    while (another_round(20, 300)) {
        auto const seed = random()();
        run(runtime_options{.workers = workers()}, [&] {
            std::mt19937_64 local(seed);
            std::atomic<int> ended{0};
            std::vector<task<void>> made;
            for (int i = 0; i < 300; ++i) {
                struct counts_at_the_end {
                    std::atomic<int>* count;
                    explicit counts_at_the_end(std::atomic<int>& c) : count(&c) {}
                    counts_at_the_end(counts_at_the_end&& other) noexcept
                        : count(std::exchange(other.count, nullptr)) {}
                    ~counts_at_the_end() {
                        if (count != nullptr) {
                            count->fetch_add(1);
                        }
                    }
                };
                made.push_back(spawn([at_end = counts_at_the_end(ended), pick = local()] {
                    switch (pick % 4) {
                    case 0:
                        test::sleep_forever();
                        break;
                    case 1:
                        sleep(std::chrono::microseconds(pick % 500));
                        break;
                    case 2:
                        wait_for([] { test::sleep_forever(); }, test::k_long_time);
                        break;
                    default:
                        scope([](task_group& g) {
                            g.spawn(test::sleep_forever);
                            test::sleep_forever();
                        });
                    }
                }));
                if (local() % 3 == 0) {
                    yield();
                }
            }
            std::vector<task<void>> cancellers;
            for (int c = 0; c < 2; ++c) {
                cancellers.push_back(spawn([&made] {
                    for (auto const& t : made) {
                        t.cancel();
                    }
                }));
            }
            for (auto& c : cancellers) {
                c.get();
            }
            for (auto const& t : made) {
                t.wait();
            }
            EXPECT_EQ(ended, 300);
        });
    }
}

// Nobody cancels a second time. Who went on in time waits for what never comes.
TEST_F(tasks, one_cancellation_at_the_end_of_what_is_awaited_is_enough) {
    while (another_round(20, 200)) {
        run(runtime_options{.workers = workers()}, [seed = random()()] {
            std::mt19937_64 local(seed);
            for (int i = 0; i < 200; ++i) {
                event never;
                promise<int> result;
                auto first = result.get_future();
                std::vector<task<int>> chain(1 + local() % 3);
                for (std::size_t link = 0; link < chain.size(); ++link) {
                    chain[link] = spawn([&, link] {
                        int const value = link == 0 ? first.get() : chain[link - 1].get();
                        if (link == chain.size() - 1) {
                            never.wait();
                        }
                        return value;
                    });
                }
                for (std::uint64_t turns = local() % 3; turns != 0; --turns) {
                    yield();
                }
                auto setter = spawn([&result] { result.try_set_value(1); });
                EXPECT_TRUE(chain.back().cancel());
                EXPECT_THROW(chain.back().get(), cancelled);
                setter.get();
                gather_settled(chain);
                ASSERT_EQ(current_task().cancelling(), 0U);  // by the end of a deadlock
            }
        });
    }
}

// The caller of the eager one runs in the place of another task, and has a stale entry in a queue, perhaps that of all workers.
TEST_F(tasks, those_in_place_that_block_and_start_eager_ones_end) {
    constexpr int k_clients = 16;
    constexpr int k_calls = 100;
    while (another_round(30, k_clients * k_calls)) {
        std::atomic<int> ran{0};
        run(runtime_options{.workers = workers()}, [&] {
            std::vector<task<void>> clients;
            for (int c = 0; c < k_clients; ++c) {
                clients.push_back(spawn([&] {
                    for (int i = 0; i < k_calls; ++i) {
                        spawn([&] {
                            blocking([] { std::this_thread::sleep_for(std::chrono::microseconds(20)); });
                            spawn(task_options{.eager = true}, [&ran] {
                                yield();
                                ++ran;
                            }).get();
                        }).get();
                    }
                }));
            }
            gather(clients);
        });
        EXPECT_EQ(ran, k_clients * k_calls);
    }
}

TEST_F(tasks, time_outs_race_with_what_they_limit) {
    while (another_round(5, 500)) {
        auto const seed = random()();
        run(runtime_options{.workers = workers()}, [&] {
            std::vector<task<int>> made;
            std::mt19937_64 local(seed);
            for (int i = 0; i < 500; ++i) {
                made.push_back(spawn([limit = local() % 300, length = local() % 300] {
                    try {
                        return wait_for(
                            [&] {
                                sleep(std::chrono::microseconds(length));
                                return 1;
                            },
                            std::chrono::microseconds(limit));
                    } catch (timeout_error const&) {
                        return 2;
                    }
                }));
            }
            for (auto& t : made) {
                int const outcome = t.get();
                EXPECT_TRUE(outcome == 1 || outcome == 2);
                EXPECT_EQ(t.cancelling(), 0u);
            }
        });
    }
}

TEST_F(tasks, runtimes_come_and_go_while_others_spawn_into_them) {
    while (another_round(30)) {
        runtime rt(runtime_options{.workers = workers()});
        std::vector<std::thread> spawners;
        std::atomic<int> begun{0};
        std::atomic<int> bad{0};
        for (int i = 0; i < 2; ++i) {
            spawners.emplace_back([&] {
                std::vector<task<int>> made;
                try {
                    for (int n = 0; n < 2'000; ++n) {
                        made.push_back(rt.spawn([] {
                            yield();
                            return 1;
                        }));
                        begun.fetch_add(1);
                    }
                } catch (no_running_runtime const&) {
                }
                for (auto& t : made) {
                    t.wait();
                    bad += !t.cancelled() && t.get() != 1;
                }
            });
        }
        int const enough = static_cast<int>(below(500));
        test::yield_until([&] { return begun >= enough; });
        rt.shutdown();
        for (auto& s : spawners) {
            s.join();
        }
        EXPECT_EQ(bad, 0);
        did(static_cast<std::uint64_t>(begun));
    }
}

// Threads spawn, wake, set results and cancel while the runtime is shut down. Whatever a task waits for, it ends.
TEST_F(tasks, runtime_ends_whoever_still_spawns_wakes_and_cancels) {
    constexpr std::size_t k_waiting = 60;
    while (another_round({.plain = 20, .sanitized = 600, .seconds = 60})) {
        semaphore permits(0);
        event sometimes;
        std::vector<promise<int>> promises(k_waiting);
        std::atomic<int> inside{0};
        std::atomic<std::uint64_t> operations{0};
        std::atomic<bool> over{false};
        runtime rt(runtime_options{.workers = workers()});
        std::vector<task<void>> waiting;
        for (std::size_t i = 0; i < k_waiting; ++i) {
            waiting.push_back(rt.spawn([&, i, f = promises[i].get_future()]() mutable {
                struct counted {
                    std::atomic<int>& count;
                    explicit counted(std::atomic<int>& c) : count(c) { ++count; }
                    ~counted() { --count; }
                } const here(inside);
                if (i % 4 == 0) {
                    f.get();
                }
                for (;;) {
                    operations.fetch_add(1, std::memory_order_relaxed);
                    if (i % 4 == 1) {
                        sleep(std::chrono::microseconds(i));
                    } else if (i % 4 == 2) {
                        sometimes.wait();
                        yield();
                    } else {
                        permits.acquire();
                    }
                }
            }));
        }
        std::vector<task<void>> late;
        std::vector<std::thread> threads;
        threads.emplace_back([&] {
            try {
                while (late.size() < 2'000) {
                    late.push_back(rt.spawn([&] { permits.acquire(); }));
                    operations.fetch_add(1, std::memory_order_relaxed);
                }
            } catch (no_running_runtime const&) {
            }
        });
        threads.emplace_back([&] {
            while (!over) {
                permits.release();
                sometimes.set();
                sometimes.clear();
                operations.fetch_add(2, std::memory_order_relaxed);
            }
        });
        threads.emplace_back([&, seed = random()()] {
            std::mt19937_64 local(seed);
            for (auto& p : promises) {
                p.try_set_value(1);  // a cancellation of who waits for it is a result too
                if (local() % 4 == 0) {
                    waiting[local() % k_waiting].cancel();
                }
                operations.fetch_add(2, std::memory_order_relaxed);
                std::this_thread::yield();
            }
        });
        std::uint64_t const enough = below(3'000);
        test::yield_until([&] { return operations >= enough; });
        rt.shutdown();
        over = true;
        for (auto& thread : threads) {
            thread.join();
        }
        for (auto const* some : {&waiting, &late}) {
            for (auto const& t : *some) {
                EXPECT_TRUE(t.done());
            }
        }
        EXPECT_EQ(inside, 0);
        did(operations);
    }
}

extern "C" void coir_test_ignores_interrupt(int) {}

// Ctrl-C on a thread of its own, at the very end of a run: what is opened next, and has the number of the descriptor by which
// the run heard of it, gets nothing.
TEST_F(tasks, interrupt_at_the_end_of_a_run_reaches_nobody_else) {
    auto* const before = std::signal(SIGINT, &coir_test_ignores_interrupt);
    std::atomic<int> asked{0};
    std::atomic<int> answered{0};
    int const rounds = scaled(300);
    std::thread user([&] {
        for (int n = 1; n <= rounds; ++n) {
            test::yield_until([&] { return asked == n; });
            std::raise(SIGINT);
            answered = n;
        }
    });
    for (int n = 1; n <= rounds; ++n) {
        try {
            run(runtime_options{.workers = 1, .handle_sigint = true}, [&] { asked = n; });
        } catch (cancelled const&) {
        }
        std::vector<int> opened;
        for (int i = 0; i < 4; ++i) {
            opened.push_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        }
        test::yield_until([&] { return answered == n; });
        for (int const fd : opened) {
            std::uint64_t count = 0;
            EXPECT_EQ(::read(fd, &count, sizeof count), -1) << "round " << n;
            ::close(fd);
        }
    }
    user.join();
    std::signal(SIGINT, before);
    did(static_cast<std::uint64_t>(rounds));
}

}  // namespace
}  // namespace coir
