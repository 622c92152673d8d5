// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/wrap_future.hpp>

#include "tests/support/no_threads.hpp"
#include "tests/support/running.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

TEST(wrap_future, passes_results_and_exceptions_on) {
    on_one_and_four_workers([] {
        std::promise<int> value;
        auto wrapped = wrap_future(value.get_future());
        auto waiting = spawn([&] { return wrapped.get(); });
        test::yield_until_waiting(waiting);
        value.set_value(3);
        EXPECT_EQ(waiting.get(), 3);

        std::promise<void> failing;
        failing.set_exception(std::make_exception_ptr(std::runtime_error("std")));
        EXPECT_THROW(wrap_future(failing.get_future()).get(), std::runtime_error);

        std::promise<std::unique_ptr<int>> moved;
        moved.set_value(std::make_unique<int>(4));
        EXPECT_EQ(*wrap_future(moved.get_future()).get(), 4);

        int target = 0;
        std::promise<int&> reference;
        reference.set_value(target);
        EXPECT_EQ(&wrap_future(reference.get_future()).get(), &target);

        std::promise<int> shared;
        shared.set_value(5);
        EXPECT_EQ(wrap_future(shared.get_future().share()).get(), 5);
    });
}

TEST(wrap_future, deferred_one_is_run) {
    on_one_and_four_workers(
        [] { EXPECT_EQ(wrap_future(std::async(std::launch::deferred, [] { return 6; })).get(), 6); });
}

TEST(wrap_future, deferred_ones_start_at_once_however_many_there_are) {
    on_one_and_four_workers([] {
        constexpr int k_count = 100;
        std::latch all(k_count);
        std::vector<future<void>> wrapped;
        for (int i = 0; i < k_count; ++i) {
            wrapped.push_back(wrap_future(std::async(std::launch::deferred, [&] { all.arrive_and_wait(); })));
        }
        for (auto& w : wrapped) {
            w.get();
        }
    });
}

// Instead of a std::future: notes how it is watched.
struct notes {
    std::promise<void> release;
    std::shared_future<void> released = release.get_future().share();
    std::atomic<int> waits = 0;
    std::atomic<int> looks = 0;
    std::latch delivered;

    explicit notes(int count) : delivered(count) {}
};

class noted final : public detail::watched_future {
public:
    explicit noted(notes& about) : about_(&about) {}

private:
    void wait() override {
        ++about_->waits;
        about_->released.wait();
    }
    bool is_ready() const override {
        ++about_->looks;
        return about_->released.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }
    void deliver() noexcept override { about_->delivered.count_down(); }

    notes* about_;
};

constexpr int k_with_a_thread_each = 8;

void watch_as_many_as_have_a_thread_each(notes& about) {
    for (int i = 0; i < k_with_a_thread_each; ++i) {
        detail::watch(std::make_unique<noted>(about), false);
    }
    test::yield_until([&] { return about.waits == k_with_a_thread_each; });
}

TEST(wrap_future, few_are_waited_for_and_not_looked_at) {
    for (int round = 0; round < 2; ++round) {  // their places are free again
        notes few(k_with_a_thread_each);
        watch_as_many_as_have_a_thread_each(few);
        few.release.set_value();
        few.delivered.wait();
        EXPECT_EQ(few.looks, 0);
    }
}

// Ready when it was looked at so many times.
class looked_at final : public detail::watched_future {
public:
    using times = std::vector<std::chrono::steady_clock::time_point>;

    explicit looked_at(std::promise<times> outcome) : outcome_(std::move(outcome)) {}

private:
    void wait() override { ADD_FAILURE() << "a thread for itself"; }
    bool is_ready() const override {
        looks_.push_back(std::chrono::steady_clock::now());
        return looks_.size() == 60;
    }
    void deliver() noexcept override { outcome_.set_value(looks_); }

    times mutable looks_;
    std::promise<times> outcome_;
};

TEST(wrap_future, one_of_many_is_looked_at_less_often_the_longer_it_takes) {
    notes few(k_with_a_thread_each);
    watch_as_many_as_have_a_thread_each(few);
    std::promise<looked_at::times> outcome;
    auto result = outcome.get_future();
    detail::watch(std::make_unique<looked_at>(std::move(outcome)), false);
    auto const looks = result.get();
    for (std::size_t i = 1; i < looks.size(); ++i) {
        auto const waited = looks[i - 1] - looks[0];
        EXPECT_GE(looks[i] - looks[i - 1], std::min<decltype(waited)>(waited / 20, std::chrono::milliseconds(50))) << i;
    }
    few.release.set_value();
    few.delivered.wait();
    EXPECT_EQ(few.looks, 0);
}

TEST(wrap_future, many_share_a_few_threads_and_arrive_in_any_order) {
    on_one_and_four_workers([] {
        constexpr int k_count = 100;
        std::vector<std::promise<int>> promises(k_count);
        std::vector<future<int>> wrapped;
        for (auto& p : promises) {
            wrapped.push_back(wrap_future(p.get_future()));
        }
        for (int i = k_count - 1; i >= 0; --i) {
            promises[static_cast<std::size_t>(i)].set_value(i);
            EXPECT_EQ(wrapped[static_cast<std::size_t>(i)].get(), i);
        }
    });
}

TEST(wrap_future, one_for_which_no_thread_can_be_started_fails_and_later_ones_do_not) {
    on_one_and_four_workers([] {
        auto const wrap_one = [](int value) {
            std::promise<int> source;
            auto wrapped = wrap_future(source.get_future());
            source.set_value(value);
            return wrapped.get();
        };
        {
            test::no_threads const none;
            for (int i = 0; i < 10; ++i) {
                try {
                    EXPECT_EQ(wrap_one(i), i);  // by a thread of an earlier test
                } catch (broken_promise const&) {
                }
            }
        }
        for (int i = 0; i < 10; ++i) {
            EXPECT_EQ(wrap_one(i), i);
        }
    });
}

TEST(wrap_future, cancelled_one_leaves_the_standard_future_to_its_end) {
    on_one_and_four_workers([] {
        auto const result = std::make_shared<int>(1);
        std::promise<std::shared_ptr<int>> source;
        auto wrapped = wrap_future(source.get_future());
        EXPECT_TRUE(wrapped.cancel());
        EXPECT_THROW(wrapped.get(), cancelled);
        source.set_value(result);
        source = {};
        test::yield_until([&] { return result.use_count() == 1; });
    });
}

TEST(wrap_future, empty_one_is_an_error) {
    EXPECT_THROW(wrap_future(std::future<int>()), std::future_error);
}

}  // namespace
}  // namespace coir
