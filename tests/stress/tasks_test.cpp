// SPDX-License-Identifier: BSL-1.0
//
// Many tasks on many workers: none is lost, none runs twice.

#include "tests/support/nothing_left.hpp"
#include "tests/support/running.hpp"
#include "tests/support/stress.hpp"

#include <coir/core/task/future.hpp>
#include <coir/core/task/task_group.hpp>
#include <coir/core/task/timeout.hpp>

#include <atomic>
#include <thread>
#include <vector>

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
    for (int round = 0; round < scaled(5); ++round) {
        auto const seed = random()();
        int const alone = run(runtime_options{.workers = 1}, grow, seed, 8);
        EXPECT_EQ(run(runtime_options{.workers = workers()}, grow, seed, 8), alone);
    }
}

TEST_F(tasks, every_task_runs_once_whoever_spawns_and_steals_it) {
    constexpr std::size_t k_tasks = 20'000;
    for (int round = 0; round < scaled(2); ++round) {
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
    for (int round = 0; round < scaled(20); ++round) {
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

TEST_F(tasks, time_outs_race_with_what_they_limit) {
    for (int round = 0; round < scaled(5); ++round) {
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
    for (int round = 0; round < scaled(30); ++round) {
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
    }
}

}  // namespace
}  // namespace coir
