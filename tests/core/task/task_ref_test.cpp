// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/task_ref.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>
#include <coir/sync/event.hpp>

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

TEST(current_task, is_the_calling_one) {
    on_one_and_four_workers([] {
        auto t = spawn([] { return current_task(); });
        auto const ref = t.ref();
        EXPECT_TRUE(t.get() == ref);
        EXPECT_FALSE(current_task() == ref);
        EXPECT_EQ(current_task().name(), "main");
    });
}

TEST(current_task, outside_of_a_task_throws) {
    EXPECT_THROW(current_task(), no_running_runtime);
    EXPECT_THROW(all_tasks(), no_running_runtime);
}

TEST(current_task, is_itself_again_after_a_task_was_run_in_its_place) {
    on_one_and_four_workers([] {
        auto const before = current_task();
        spawn([] { yield(); }).get();
        EXPECT_TRUE(current_task() == before);
    });
}

TEST(all_tasks, names_those_that_have_not_ended) {
    on_one_and_four_workers([] {
        auto ended = spawn([] {});
        ended.wait();
        std::vector<task<void>> sleepers;
        for (int i = 0; i < 10; ++i) {
            sleepers.push_back(spawn(test::sleep_forever));
        }
        auto const all = all_tasks();
        EXPECT_EQ(all.size(), 11u);
        EXPECT_EQ(std::ranges::count(all, current_task()), 1);
        for (auto const& s : sleepers) {
            EXPECT_EQ(std::ranges::count(all, s.ref()), 1);
        }
        EXPECT_EQ(std::ranges::count(all, ended.ref()), 0);
    });
}

TEST(all_tasks, leaves_out_those_of_other_runtimes) {
    runtime other(runtime_options{.workers = 1});
    auto elsewhere = other.spawn(test::sleep_forever);
    run(runtime_options{.workers = 1}, [] { EXPECT_EQ(all_tasks().size(), 1u); });
    elsewhere.cancel();
}

TEST(task_ref, tells_state_and_parent) {
    run(runtime_options{.workers = 1}, [] {
        auto good = spawn([] {});
        auto bad = spawn([] { throw std::runtime_error("broken"); });
        auto never = spawn([] {});
        auto waits = spawn(test::sleep_forever);
        EXPECT_EQ(good.ref().state(), task_state::created);
        ASSERT_TRUE(good.ref().parent().has_value());
        EXPECT_TRUE(*good.ref().parent() == current_task());
        never.cancel();
        test::yield_until_waiting(waits);
        EXPECT_EQ(good.ref().state(), task_state::returned);
        EXPECT_EQ(bad.ref().state(), task_state::failed);
        EXPECT_EQ(never.ref().state(), task_state::cancelled);
        EXPECT_EQ(waits.ref().state(), task_state::active);
        EXPECT_TRUE(good.ref().done());
        EXPECT_FALSE(waits.ref().done());
        EXPECT_THROW(bad.get(), std::runtime_error);
    });
}

TEST(task_ref, outlives_its_task_and_its_runtime) {
    auto const ref = run(runtime_options{.workers = 1},
                         [] { return spawn(task_options{.name = "gone"}, [] { return current_task(); }).get(); });
    EXPECT_EQ(ref.name(), "gone");
    EXPECT_TRUE(ref.done());
    EXPECT_FALSE(ref.cancel());
    EXPECT_FALSE(ref.parent().has_value());
}

TEST(task_ref, name_may_be_set_and_asked_for_at_once) {
    run(runtime_options{.workers = 4}, [] {
        auto named = spawn(test::sleep_forever);
        auto asker = spawn([ref = named.ref()] {
            while (!ref.done()) {
                std::string const name = ref.name();
                EXPECT_TRUE(name.starts_with("a name") || name == "short" || name.starts_with("task-")) << name;
                for (auto const& t : all_tasks()) {
                    EXPECT_FALSE(t.name().empty());
                }
                yield();
            }
        });
        for (int i = 0; i < 1'000; ++i) {
            named.set_name(i % 2 == 0 ? "a name that is too long to lie in the string itself" : "short");
            yield();
        }
        named.cancel();
        asker.get();
        EXPECT_EQ(named.name(), "short");
    });
}

TEST(task_ref, cancels_from_anywhere) {
    on_one_and_four_workers([] {
        auto t = spawn(test::sleep_forever);
        auto const ref = t.ref();
        std::thread([&] { EXPECT_TRUE(ref.cancel()); }).join();
        t.wait();
        EXPECT_TRUE(t.cancelled());
        EXPECT_FALSE(ref.cancel());
    });
}

TEST(task_ref, refers_to_its_task_after_it_was_moved) {
    run([] {
        event never;
        auto t = spawn([&] { never.wait(); });
        task_ref first = t.ref();
        task_ref const second = std::move(first);
        EXPECT_EQ(first, second);  // NOLINT(bugprone-use-after-move): what this is about
        EXPECT_EQ(first.name(), t.name());
        EXPECT_TRUE(first.cancel());
        t.wait();
    });
}

}  // namespace
}  // namespace coir
