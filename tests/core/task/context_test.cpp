// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/context.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/future.hpp>
#include <coir/core/task/gather.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

TEST(context_var, is_inherited_by_children_at_the_moment_of_spawning) {
    on_one_and_four_workers([] {
        context_var<std::string> v("default");
        auto before = spawn([&] { return v.get(); });
        v.set("one");
        auto child = spawn([&] {
            std::string const seen = v.get();
            v.set("child's own");
            return seen + spawn([&] { return v.get(); }).get();
        });
        v.set("two");
        EXPECT_EQ(before.get(), "default");
        EXPECT_EQ(child.get(), "onechild's own");
        EXPECT_EQ(v.get(), "two");
    });
}

TEST(context_var, token_takes_a_set_back) {
    on_one_and_four_workers([] {
        context_var<int> v(0);
        auto first = v.set(1);
        auto second = v.set(2);
        EXPECT_EQ(v.get(), 2);
        v.reset(second);
        EXPECT_EQ(v.get(), 1);
        v.reset(first);
        EXPECT_EQ(v.get(), 0);
        EXPECT_THROW(v.reset(first), invalid_state);
        context_var<int> other(0);
        auto const of_other = std::make_unique<context_var<int>::token>(other.set(3));
        EXPECT_THROW(v.reset(*of_other), std::invalid_argument);
    });
}

TEST(context_var, token_is_good_only_where_the_value_was_set) {
    on_one_and_four_workers([] {
        context_var<int> v(0);
        auto token = v.set(1);
        EXPECT_THROW(spawn([&] { v.reset(token); }).get(), std::invalid_argument);
        std::thread([&] { EXPECT_THROW(v.reset(token), no_running_runtime); }).join();
        EXPECT_EQ(v.get(), 1);
        v.reset(token);
        EXPECT_EQ(v.get(), 0);
    });
}

TEST(context_var, without_value_and_default_throws) {
    on_one_and_four_workers([] {
        context_var<int> v;
        EXPECT_THROW(v.get(), std::logic_error);
        auto token = v.set(1);
        EXPECT_EQ(v.get(), 1);
        v.reset(token);
        EXPECT_THROW(v.get(), std::logic_error);
    });
}

TEST(context_var, stays_with_its_task_over_suspensions) {
    on_one_and_four_workers([] {
        context_var<int> v(0);
        std::vector<task<void>> tasks;
        for (int i = 0; i < 50; ++i) {
            tasks.push_back(spawn([&v, i] {
                v.set(i);
                for (int k = 0; k < 20; ++k) {
                    yield();
                    EXPECT_EQ(v.get(), i);
                }
            }));
        }
        gather(tasks);
        EXPECT_EQ(v.get(), 0);
    });
}

TEST(context_var, on_a_plain_thread_has_its_default_only) {
    context_var<int> v(4);
    EXPECT_EQ(v.get(), 4);
    EXPECT_THROW(v.set(5), no_running_runtime);
}

TEST(context_var, values_end_with_the_last_task_that_has_them) {
    auto const witness = std::make_shared<int>(0);
    context_var<std::shared_ptr<int>> v;
    run(runtime_options{.workers = 1}, [&] {
        v.set(witness);
        spawn([&] { EXPECT_EQ(v.get(), witness); }).get();
    });
    EXPECT_EQ(witness.use_count(), 1);
}

TEST(fiber_local, starts_value_initialised_in_each_task) {
    on_one_and_four_workers([] {
        fiber_local<int> v;
        EXPECT_EQ(*v, 0);
        *v = 5;
        spawn([&] {
            EXPECT_EQ(*v, 0);
            *v = 6;
            yield();
            EXPECT_EQ(*v, 6);
        }).get();
        EXPECT_EQ(*v, 5);
    });
}

TEST(fiber_local, may_have_a_factory) {
    on_one_and_four_workers([] {
        fiber_local<std::string> v([] { return std::string("made"); });
        EXPECT_EQ(v->size(), 4u);
        v->clear();
        EXPECT_EQ(spawn([&] { return *v; }).get(), "made");
    });
}

TEST(fiber_local, object_ends_with_its_task_before_that_is_done) {
    on_one_and_four_workers([] {
        struct witness {
            std::atomic<bool>* ended = nullptr;
            witness() = default;
            witness(witness&& other) noexcept : ended(std::exchange(other.ended, nullptr)) {}
            ~witness() {
                if (ended != nullptr) {
                    *ended = true;
                }
            }
        };
        fiber_local<witness> v;
        std::atomic<bool> ended{false};
        auto t = spawn([&] { v->ended = &ended; });
        t.wait();
        EXPECT_TRUE(ended);
        ended = false;
        auto failing = spawn([&] {
            v->ended = &ended;
            throw std::runtime_error("failed");
        });
        EXPECT_THROW(failing.get(), std::runtime_error);
        EXPECT_TRUE(ended);
    });
}

TEST(fiber_local, destructor_may_use_another_one) {
    on_one_and_four_workers([] {
        static std::atomic<int> ended{0};
        ended = 0;
        static fiber_local<int> second;
        struct uses_second {
            bool armed = false;
            ~uses_second() {
                if (armed) {
                    ++*second;
                    ++ended;
                }
            }
        };
        fiber_local<uses_second> first;
        spawn([&] { first->armed = true; }).get();
        EXPECT_EQ(ended, 1);
    });
}

TEST(fiber_local, outside_of_a_task_throws) {
    fiber_local<int> v;
    EXPECT_THROW(*v, no_running_runtime);
}

TEST(fiber_local, destructor_may_wait_while_the_runtime_shuts_down) {
    struct waits {
        std::atomic<int>* ended = nullptr;
        ~waits() {
            if (ended != nullptr) {
                sleep(std::chrono::milliseconds(1));
                ended->fetch_add(1);
            }
        }
    };
    for (unsigned const workers : {1u, 4u}) {
        std::atomic<int> begun{0};
        std::atomic<int> ended{0};
        fiber_local<waits> v;
        run(runtime_options{.workers = workers}, [&] {
            for (int i = 0; i < 3; ++i) {
                spawn([&] {
                    v->ended = &ended;
                    begun.fetch_add(1);
                    test::sleep_forever();
                }).detach();
            }
            test::yield_until([&] { return begun == 3; });
        });
        EXPECT_EQ(ended, 3);
    }
}

}  // namespace
}  // namespace coir
