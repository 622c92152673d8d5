// SPDX-License-Identifier: BSL-1.0
#include <coir/coir.hpp>
#include <coir/testing.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using coir::run;
using coir::runtime_options;
using coir::spawn;

// What several tasks do, in the order in which they do it.
std::string interleaving(std::uint64_t seed) {
    std::string order;
    run(runtime_options{.seed = seed}, [&order] {
        coir::mutex m;
        coir::channel<int> numbers(2);
        std::vector<coir::task<void>> tasks;
        for (char name = 'a'; name < 'f'; ++name) {
            tasks.push_back(spawn([&, name] {
                for (int i = 0; i < 4; ++i) {
                    std::scoped_lock const guard(m);
                    order += name;
                    numbers.push(i);
                    coir::sleep(1ms * (name - 'a'));
                    numbers.pop();
                }
            }));
        }
        for (auto& t : tasks) {
            t.get();
        }
    });
    return order;
}

TEST(seed, the_same_one_replays_the_same_order) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        EXPECT_EQ(interleaving(seed), interleaving(seed)) << seed;
    }
}

TEST(seed, others_give_other_orders) {
    std::set<std::string> orders;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        orders.insert(interleaving(seed));
    }
    EXPECT_GT(orders.size(), 15u);
}

// Each seed is another order of the two strands, and within each of them the order of the spawns.
TEST(seed, tasks_of_a_strand_start_in_order_under_every_one) {
    auto const order_of = [](std::uint64_t seed) {
        std::string order;
        run(runtime_options{.seed = seed}, [&order] {
            coir::strand const strands[] = {{}, {}};
            std::vector<coir::task<void>> tasks;
            for (char name = 'a'; name < 'g'; ++name) {
                tasks.push_back(spawn(coir::task_options{.strand = strands[0]}, [&order, name] { order += name; }));
                char const capital = static_cast<char>(name - 'a' + 'A');
                tasks.push_back(
                    spawn(coir::task_options{.strand = strands[1]}, [&order, capital] { order += capital; }));
            }
            for (auto& t : tasks) {
                t.wait();
            }
        });
        return order;
    };
    auto const of_one_strand = [](std::string order, bool (*is_of_it)(char)) {
        std::erase_if(order, [is_of_it](char c) { return !is_of_it(c); });
        return order;
    };
    std::set<std::string> orders;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        std::string const order = order_of(seed);
        EXPECT_EQ(of_one_strand(order, [](char c) { return c >= 'a'; }), "abcdef") << seed;
        EXPECT_EQ(of_one_strand(order, [](char c) { return c < 'a'; }), "ABCDEF") << seed;
        EXPECT_EQ(order, order_of(seed)) << seed;
        orders.insert(order);
    }
    EXPECT_GT(orders.size(), 1u);
}

TEST(seed, implies_one_worker_and_virtual_time) {
    coir::runtime home(runtime_options{.workers = 8, .seed = 1});
    EXPECT_EQ(home.stats().workers, 1u);
    home.block_on([] {
        auto const start = coir::clock::now();
        coir::sleep(1000h);
        EXPECT_EQ(coir::clock::now() - start, 1000h);
    });
}

TEST(seed, tasks_that_only_yield_keep_nobody_from_running) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        run(runtime_options{.seed = seed}, [] {
            bool stop = false;
            auto a = spawn([&] {
                while (!stop) {
                    coir::yield();
                }
            });
            auto b = spawn([&] {
                while (!stop) {
                    coir::yield();
                }
            });
            auto third = spawn([&] { stop = true; });
            a.get();
            b.get();
            third.get();
        });
    }
}

// Two tasks add to a number that each reads before a lock and writes behind it: lost updates, in some orders.
void forgetful_counter() {
    coir::mutex m;
    int number = 0;
    auto add = [&] {
        int const seen = number;
        m.lock();
        number = seen + 1;
        m.unlock();
    };
    coir::gather(add, add);
    if (number != 2) {
        throw std::runtime_error("an update was lost");
    }
}

TEST(explore, calls_the_task_main) {
    coir::testing::explore(1, [] { EXPECT_EQ(coir::current_task().name(), "main"); });
}

TEST(explore, finds_an_order_in_which_an_update_is_lost_and_names_its_seed) {
    std::uint64_t failing = 0;
    try {
        coir::testing::explore(1000, forgetful_counter);
        FAIL() << "no seed failed";
    } catch (coir::testing::exploration_failed const& e) {
        failing = e.seed();
        std::string const what = e.what();
        EXPECT_NE(what.find("seed " + std::to_string(failing)), std::string::npos) << what;
        EXPECT_NE(what.find("an update was lost"), std::string::npos) << what;
        EXPECT_THROW(std::rethrow_if_nested(e), std::runtime_error);
    }
    EXPECT_THROW(run(runtime_options{.seed = failing}, forgetful_counter), std::runtime_error);
    ::setenv("COIR_SEED", std::to_string(failing).c_str(), 1);
    EXPECT_THROW(coir::testing::explore(1, forgetful_counter), coir::testing::exploration_failed);
    ::setenv("COIR_SEED", "12x", 1);
    EXPECT_THROW(coir::testing::explore(1, forgetful_counter), std::invalid_argument);
    ::unsetenv("COIR_SEED");
}

std::string failure_after(std::function<void()> const& f) {
    try {
        coir::testing::explore(1, [&] {
            f();
            throw std::runtime_error("over");
        });
    } catch (coir::testing::exploration_failed const& e) {
        return e.what();
    }
    return "none";
}

TEST(explore, says_whether_something_had_a_part_that_a_seed_cannot_replay) {
    auto const marked = testing::HasSubstr("cannot replay");
    EXPECT_THAT(failure_after([] { coir::sleep(1h); }), testing::Not(marked));
    EXPECT_THAT(failure_after(forgetful_counter), testing::Not(marked));
    EXPECT_THAT(failure_after([] { coir::blocking([] {}); }), marked);
    EXPECT_THAT(failure_after([] { coir::to_thread([] {}); }), marked);
    EXPECT_THAT(failure_after([] {
                    auto& home = coir::runtime::current();
                    std::thread([&] { home.spawn([] {}); }).join();
                }),
                marked);
    EXPECT_THAT(failure_after([] {
                    std::atomic<bool> main_waits{false};
                    coir::promise<void> p;
                    std::thread other([&] {
                        while (!main_waits) {
                            std::this_thread::yield();
                        }
                        p.set_value();
                    });
                    auto const tells = spawn([&] {
                        coir::testing::wait_all_blocked();
                        main_waits = true;
                    });
                    p.get_future().wait();
                    other.join();
                }),
                marked);
}

TEST(explore, says_of_what_type_an_exception_is_that_says_nothing_itself) {
    try {
        coir::testing::explore(1, [] { throw 42; });
        FAIL() << "nothing was thrown";
    } catch (coir::testing::exploration_failed const& failed) {
        EXPECT_NE(std::string(failed.what()).find("an exception of type int"), std::string::npos) << failed.what();
    }
}

TEST(explore, runs_once_for_each_seed_when_all_is_well) {
    int runs = 0;
    coir::testing::explore(25, [&] {
        ++runs;
        coir::sleep(1h);
    });
    EXPECT_EQ(runs, 25);
}

TEST(explore, a_cancelled_main_task_is_a_failure) {
    try {
        coir::testing::explore(1, [] {
            coir::current_task().cancel();
            coir::sleep(1h);
        });
        FAIL();
    } catch (coir::testing::exploration_failed const& e) {
        EXPECT_NE(std::string(e.what()).find("cancelled"), std::string::npos);
    }
}

TEST(explore, inside_a_task_is_refused) {
    run([] { EXPECT_THROW(coir::testing::explore(1, [] {}), coir::invalid_state); });
}

}  // namespace
