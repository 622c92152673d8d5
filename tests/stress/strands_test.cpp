// SPDX-License-Identifier: BSL-1.0
//
// Strands, and the waits of tasks for tasks and futures, under cancellations, time-outs, failures and the end of their
// runtime.

#include "tests/support/racing.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/sched/blocking.hpp>
#include <coir/core/task/as_completed.hpp>
#include <coir/core/task/call_later.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/gather.hpp>
#include <coir/core/task/shield.hpp>
#include <coir/core/task/strand.hpp>
#include <coir/core/task/task_group.hpp>
#include <coir/core/task/timeout.hpp>
#include <coir/core/task/wait.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/semaphore.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace coir {
namespace {

using strands = test::stress;
using task_waits = test::stress;
using test::a_blink;

// How many live.
class counted {
public:
    explicit counted(std::atomic<int>& count) : count_(&count) { ++*count_; }
    counted(counted&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    counted& operator=(counted&&) = delete;
    ~counted() {
        if (count_ != nullptr) {
            --*count_;
        }
    }

private:
    std::atomic<int>* count_;
};

struct planned_failure : std::runtime_error {
    planned_failure() : std::runtime_error("planned") {}
};

// --- strands -----------------------------------------------------------------------------------------------------------

// What the tasks of one strand share without any lock.
struct shop {
    strand of;
    semaphore permits{2};
    event sometimes;
    std::atomic<int> inside{0};
    long visits = 0;

    void visit() {
        EXPECT_EQ(inside.fetch_add(1), 0);
        ++visits;
        EXPECT_EQ(inside.fetch_sub(1), 1);
    }
};

// One wait of a kind that the random number says.
void wait_somehow(shop& s, std::mt19937_64& random) {
    switch (random() % 9) {
    case 0:
        yield();
        break;
    case 1:
        sleep(a_blink(random));
        break;
    case 2:
        s.sometimes.wait_for(a_blink(random));
        break;
    case 3:
        if (s.permits.try_acquire_for(a_blink(random))) {
            test::perhaps_yield(random);
            s.permits.release();
        }
        break;
    case 4:
        try {
            with_timeout(a_blink(random), [&] { sleep(a_blink(random)); });
        } catch (timeout_error const&) {
        }
        break;
    case 5:
        spawn([&s] { s.visit(); }).get();  // a child inherits the strand
        break;
    case 6:
        try {
            wait_for(
                [&s] {
                    s.visit();
                    yield();
                    s.visit();
                },
                a_blink(random));
        } catch (timeout_error const&) {
        }
        break;
    case 7:
        blocking([&s] { s.visit(); });  // keeps the strand
        break;
    default:
        random() % 2 == 0 ? s.sometimes.set() : s.sometimes.clear();
    }
}

TEST_F(strands, one_task_runs_at_a_time_whatever_ends_their_waits) {
    while (another_round(5, 24 * 60)) {
        runtime rt(runtime_options{.workers = workers()});
        std::array<shop, 3> shops;
        std::atomic<int> alive{0};
        std::atomic<int> started{0};
        constexpr int k_tasks = 24;
        std::vector<task<void>> tasks;
        for (std::size_t i = 0; i < k_tasks; ++i) {
            shop& s = shops[i % shops.size()];
            tasks.push_back(
                rt.spawn(task_options{.strand = s.of}, [&s, &started, seed = random()(), here = counted(alive)] {
                    started.fetch_add(1);
                    std::mt19937_64 local(seed);
                    for (int n = 0; n < 60; ++n) {
                        try {
                            s.visit();
                            wait_somehow(s, local);
                        } catch (cancelled const&) {
                            s.visit();
                        }
                    }
                }));
        }
        test::yield_until([&] { return started == k_tasks; });
        test::cancel_until_all_end(rt, tasks, random()());
        EXPECT_EQ(alive, 0);
        for (shop& s : shops) {
            EXPECT_EQ(s.permits.available(), 2);
            rt.spawn(task_options{.strand = s.of}, [&s] { s.visit(); }).get();  // it is free
        }
    }
}

// Those that are cancelled before their turn do not run; the others do, in order, once.
TEST_F(strands, tasks_start_in_order_while_others_in_the_queue_are_cancelled) {
    while (another_round(40, 200)) {
        runtime rt(runtime_options{.workers = workers()});
        strand const s;
        constexpr int k_tasks = 200;
        std::vector<int> order;
        std::vector<task<void>> tasks;
        std::atomic<int> spawned{0};
        tasks.reserve(k_tasks);
        auto canceller = rt.spawn([&, seed = random()()] {
            std::mt19937_64 local(seed);
            for (int seen = 0; seen < k_tasks; seen = spawned) {
                if (seen != 0) {
                    tasks.data()[local() % static_cast<unsigned>(seen)].cancel();
                }
                yield();
            }
        });
        for (int i = 0; i < k_tasks; ++i) {
            tasks.push_back(rt.spawn(task_options{.strand = s}, [&order, i] {
                order.push_back(i);
                if (i % 7 == 0) {
                    yield();
                }
            }));
            spawned.fetch_add(1);
        }
        canceller.wait();
        test::wait_for_all(tasks);
        EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
        EXPECT_EQ(std::adjacent_find(order.begin(), order.end()), order.end());
        for (int i = 0; i < k_tasks; ++i) {
            if (!tasks[static_cast<std::size_t>(i)].cancelled()) {
                EXPECT_TRUE(std::binary_search(order.begin(), order.end(), i)) << i;
            }
        }
    }
}

// Nobody keeps a handle of the tasks or of the strands, and the runtime goes while they wait and queue.
TEST_F(strands, runtime_ends_with_all_that_wait_and_queue) {
    while (another_round(60, 60)) {
        std::atomic<int> alive{0};
        {
            runtime rt(runtime_options{.workers = workers(), .on_unhandled_exception = [](auto const&...) {}});
            for (int i = 0; i < 3; ++i) {
                strand const s;
                for (int k = 0; k < 20; ++k) {
                    rt.spawn(task_options{.strand = s}, [here = counted(alive), seed = random()()] {
                          std::mt19937_64 local(seed);
                          event never;
                          switch (local() % 4) {
                          case 0:
                              never.wait();
                              break;
                          case 1:
                              with_timeout(a_blink(local), [&] { never.wait(); });
                              break;
                          case 2:
                              for (;;) {
                                  yield();
                              }
                          default:
                              scope([&](task_group& g) { g.spawn([&] { never.wait(); }); });
                          }
                      }).on_done([](task_ref const&) {});
                }
            }
            rt.block_on([wait = a_blink(random())] { sleep(wait); });
        }
        EXPECT_EQ(alive, 0);
    }
}

// --- futures -----------------------------------------------------------------------------------------------------------

enum class ending { value, failure, broken, cancelled };

ending ending_of(shared_future<int> const& f) {
    try {
        EXPECT_EQ(f.get(), 7);
        return ending::value;
    } catch (planned_failure const&) {
        return ending::failure;
    } catch (broken_promise const&) {
        return ending::broken;
    } catch (cancelled const&) {
        return ending::cancelled;
    }
}

// A value, a failure, the end of the promise and a cancellation meet; some wait for a blink, some are cancelled while they
// wait. All see the same result.
TEST_F(task_waits, future_has_one_result_whoever_sets_it_or_gives_it_up) {
    runtime rt(runtime_options{.workers = workers()});
    while (another_round(300, 2)) {
        promise<int> p;
        shared_future<int> const f = p.get_future().share();
        std::atomic<int> set{0};
        auto waiters = test::running(rt, 4, random(), [&, copy = f](std::mt19937_64& local) {
            return copy.wait_for(a_blink(local)) != std::future_status::ready;
        });
        auto getter = rt.spawn([copy = f] { return ending_of(copy); });
        std::vector<task<void>> enders;
        enders.push_back(rt.spawn([&set, to = std::move(p), how = below(3)]() mutable {
            if (how == 0) {
                set += to.try_set_value(7);
            } else if (how == 1) {
                set += to.try_set_exception(std::make_exception_ptr(planned_failure()));
            }
        }));
        if (below(2) == 0) {
            enders.push_back(rt.spawn([&set, copy = f] { set += copy.cancel(); }));
        }
        waiters[below(4)].cancel();
        if (below(3) == 0) {
            getter.cancel();  // which gives the future up for all, if it waits
        }
        test::wait_for_all(enders);
        test::wait_for_all(waiters);
        getter.wait();
        ending const last = ending_of(f);
        EXPECT_LE(set, 1);
        if (!getter.cancelled()) {
            EXPECT_EQ(getter.get(), last);
        }
    }
}

// --- combinators -------------------------------------------------------------------------------------------------------

// Ends soon, in one way or another; while it runs, it counts in `here`, which its caller must outlive it for.
struct child {
    std::atomic<int>* here;
    std::uint64_t seed;

    int operator()() const {
        counted const alive(*here);
        std::mt19937_64 local(seed);
        sleep(a_blink(local));
        if (local() % 8 == 0) {
            throw planned_failure();
        }
        test::perhaps_yield(local);
        return 1;
    }
};

// Handles are the caller's: it lets none of the tasks behind them outlive it.
class children {
public:
    children(std::atomic<int>& here, std::mt19937_64& random) {
        for (int i = 0; i < 3; ++i) {
            tasks.push_back(spawn(child{&here, random()}));
        }
    }
    children(children const&) = delete;
    children& operator=(children const&) = delete;
    ~children() {
        for (auto const& t : tasks) {
            t.cancel();
            test::wait_shielded(t);
            if (!t.cancelled()) {
                t.exception();
            }
        }
    }

    std::vector<task<int>> tasks;
};

void combine_somehow(std::atomic<int>& here, std::mt19937_64& random) {
    auto const one = [&] { return child{&here, random()}; };
    switch (random() % 9) {
    case 0:
        gather(one(), one(), one());
        break;
    case 1:
        gather_settled(one(), one());
        break;
    case 2:
        wait_for(one(), a_blink(random));
        break;
    case 3:
        with_timeout(a_blink(random), [&] { with_timeout(a_blink(random), [&] { gather(one(), one()); }); });
        break;
    case 4:
        scope([&](task_group& g) {
            g.spawn(one());
            g.spawn(one());
            sleep(a_blink(random));
        });
        break;
    case 5: {
        children mine(here, random);
        gather(mine.tasks);
        break;
    }
    case 6: {
        children mine(here, random);
        auto const some = static_cast<return_when>(random() % 3);
        auto const [done, pending] = wait(mine.tasks, {.return_when = some, .timeout = a_blink(random)});
        EXPECT_EQ(done.size() + pending.size(), mine.tasks.size());
        for (auto const& t : done) {
            EXPECT_TRUE(t.get().done());
        }
        break;
    }
    case 7: {
        children mine(here, random);
        for (auto& t : as_completed(mine.tasks)) {
            EXPECT_TRUE(t.done());
        }
        break;
    }
    default: {
        children mine(here, random);
        shield(mine.tasks.front());
        break;
    }
    }
}

TEST_F(task_waits, combinators_leave_no_child_behind_however_they_end) {
    while (another_round(5)) {
        // Of several failures gather() throws the first.
        runtime rt(runtime_options{.workers = workers(), .on_unhandled_exception = [](auto const&...) {}});
        std::atomic<int> ended{0};
        auto const users = test::repeating(rt, 8, 80, random(), [&](std::mt19937_64& local) {
            std::atomic<int> here{0};
            struct check {
                std::atomic<int>& here;
                std::atomic<int>& ended;
                ~check() {
                    EXPECT_EQ(here, 0);
                    ++ended;
                }
            } const at_the_end{here, ended};
            try {
                combine_somehow(here, local);
            } catch (planned_failure const&) {
            } catch (timeout_error const&) {
            } catch (exception_group const&) {
            }
        });
        test::cancel_until_all_end(rt, users, random()());
        EXPECT_GT(ended, 0);
    }
}

// A call either runs or was taken back, and its caller knows which.
TEST_F(task_waits, delayed_calls_run_once_or_were_taken_back) {
    while (another_round(10)) {
        runtime rt(runtime_options{.workers = workers()});
        std::atomic<int> ran{0};
        std::atomic<int> called{0};
        std::atomic<int> taken_back{0};
        auto const callers = test::repeating(rt, 6, 100, random(), [&](std::mt19937_64& local) {
            auto handle = call_later(a_blink(local), [&] { ++ran; });
            ++called;
            if (local() % 2 == 0) {
                test::perhaps_yield(local);
                taken_back += handle.cancel();
            }
            sleep(a_blink(local));
        });
        test::cancel_until_all_end(rt, callers, random()());
        test::yield_until([&] { return ran + taken_back == called; });
    }
}

}  // namespace
}  // namespace coir
