// SPDX-License-Identifier: BSL-1.0
//
// The end of a runtime: everything that is alive is cancelled, while destructors wake and spawn and others still hand
// work in.

#include "tests/support/running.hpp"

#include <coir/core/task/future.hpp>
#include <coir/core/task/task.hpp>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace coir {
namespace {

struct wakes_and_spawns_when_it_dies {
    promise<void>* to_wake;
    std::atomic<int>* born;
    ~wakes_and_spawns_when_it_dies() {
        to_wake->try_set_value();
        born->fetch_add(1);
        auto late = spawn([] { ADD_FAILURE() << "a task that is spawned during the shutdown never runs"; });
        cancel_shield const shield;
        late.wait();
        EXPECT_TRUE(late.cancelled());
    }
};

TEST(shutdown_order, destructors_that_wake_and_spawn_are_waited_for) {
    for (unsigned const workers : {1u, 4u}) {
        constexpr int k_tasks = 50;
        std::atomic<int> born{0};
        std::atomic<int> woken{0};
        std::vector<promise<void>> promises(k_tasks);
        run(runtime_options{.workers = workers}, [&] {
            std::vector<task<void>> tasks;
            for (auto& p : promises) {
                tasks.push_back(spawn([&] {
                    wakes_and_spawns_when_it_dies const dies{&p, &born};
                    test::sleep_forever();
                }));
                tasks.push_back(spawn([&, f = p.get_future()]() mutable {
                    cancel_shield const shield;  // so that it is the destructor that wakes it
                    f.get();
                    woken.fetch_add(1);
                }));
            }
            for (auto const& t : tasks) {
                test::yield_until_waiting(t);  // one that had not started would be dropped
            }
        });
        EXPECT_EQ(born, k_tasks);
        EXPECT_EQ(woken, k_tasks);
    }
}

TEST(shutdown_order, task_that_is_spawned_from_outside_meanwhile_runs_or_is_cancelled_or_refused) {
    constexpr int k_rounds = 30;
    int ran_in_all = 0;
    int cancelled_in_all = 0;
    for (int round = 0; round < k_rounds; ++round) {
        runtime rt(runtime_options{.workers = 1 + static_cast<unsigned>(round % 3)});
        std::atomic<int> started{0};
        std::atomic<bool> over{false};
        std::vector<task<int>> accepted;
        bool refused = false;
        std::thread spawner([&] {
            while (!refused) {
                if (accepted.size() > 5'000) {
                    std::this_thread::yield();  // enough of them: now only to be refused
                }
                bool const must_be_refused = over;
                try {
                    accepted.push_back(rt.spawn([] { return 1; }));
                    started.fetch_add(1);
                } catch (no_running_runtime const&) {
                    refused = true;
                }
                if (must_be_refused) {
                    return;
                }
            }
        });
        while (started < round % 20) {
            std::this_thread::yield();
        }
        rt.shutdown();
        over = true;
        spawner.join();
        ASSERT_TRUE(refused) << "a runtime that has ended takes tasks";
        // The spawner may have been refused earlier, and is not asked again.
        EXPECT_THROW(rt.spawn([] { return 1; }), no_running_runtime);
        int ran = 0;
        int dropped = 0;
        for (auto& t : accepted) {
            ASSERT_TRUE(t.done()) << "a task was accepted and neither ran nor was cancelled";
            t.cancelled() ? ++dropped : ran += t.get();
        }
        EXPECT_EQ(static_cast<std::size_t>(ran + dropped), accepted.size());
        ran_in_all += ran;
        cancelled_in_all += dropped;
    }
    RecordProperty("ran", ran_in_all);
    RecordProperty("cancelled", cancelled_in_all);
}

TEST(shutdown_order, task_that_is_spawned_by_a_task_meanwhile_runs_or_is_cancelled) {
    constexpr int k_rounds = 30;
    for (int round = 0; round < k_rounds; ++round) {
        std::atomic<int> made{0};
        std::atomic<int> ended{0};
        run(runtime_options{.workers = 1 + static_cast<unsigned>(round % 4)}, [&] {
            for (int i = 0; i < 4; ++i) {
                spawn([&] {
                    for (;;) {
                        made.fetch_add(1);
                        struct counts_its_end {
                            std::atomic<int>* count;
                            explicit counts_its_end(std::atomic<int>* c) : count(c) {}
                            counts_its_end(counts_its_end&& other) noexcept
                                : count(std::exchange(other.count, nullptr)) {}
                            ~counts_its_end() {
                                if (count != nullptr) {
                                    count->fetch_add(1);
                                }
                            }
                        };
                        spawn([c = counts_its_end(&ended)] { yield(); });
                        yield();
                    }
                });
            }
            test::yield_until([&] { return made > round % 50; });
        });
        EXPECT_EQ(ended, made);
    }
}

TEST(shutdown_order, shutdown_by_one_of_its_own_tasks_is_refused) {
    runtime rt(runtime_options{.workers = 2});
    rt.block_on([&] { EXPECT_THROW(rt.shutdown(), invalid_state); });
    rt.shutdown();
    rt.shutdown();
}

}  // namespace
}  // namespace coir
