// SPDX-License-Identifier: BSL-1.0
#include "executors/process/waiting_jobs_impl.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <random>
#include <utility>

namespace coir {
namespace {

using job = detail::process_job<int>;
using detail::job_ref;

job_ref new_job(int deadline) {
    auto made = detail::state_ptr<job>::adopt(new job);
    made->deadline = deadline < 0 ? detail::k_never : clock::time_point(std::chrono::seconds(deadline));
    return job_ref(*made);
}

TEST(process_pool_queue, knows_the_first_deadline_after_each_change) {
    std::mt19937 random(17);
    auto const below = [&random](std::size_t n) {
        return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
    };
    detail::waiting_jobs queue;
    std::deque<detail::remote_job*> expected;
    for (int step = 0; step < 20'000; ++step) {
        bool const grows = expected.empty() || below(8) < (step / 1000 % 2 == 0 ? 6u : 3u);
        if (grows) {
            job_ref added = new_job(static_cast<int>(below(200)) - 50);
            bool const in_front = below(4) == 0;
            in_front ? expected.push_front(added.get()) : expected.push_back(added.get());
            in_front ? queue.push_front(std::move(added)) : queue.push_back(std::move(added));
        } else if (std::size_t const how = below(3); how == 0) {
            EXPECT_EQ(queue.pop_front().get(), expected.front());
            expected.pop_front();
        } else if (how == 1 && queue.first_deadline() != detail::k_never) {
            auto const first = queue.first_deadline();
            job_ref const popped = queue.pop_first_deadline();
            EXPECT_EQ(popped->deadline, first);
            expected.erase(std::find(expected.begin(), expected.end(), popped.get()));
        } else {
            auto const chosen = expected.begin() + static_cast<std::ptrdiff_t>(below(expected.size()));
            EXPECT_EQ(queue.take(**chosen).get(), *chosen);
            expected.erase(chosen);
        }
        auto first = detail::k_never;
        for (auto const* each : expected) {
            first = std::min(first, each->deadline);
        }
        ASSERT_EQ(queue.first_deadline(), first) << "step " << step;
        ASSERT_EQ(queue.size(), expected.size());
    }
    while (!expected.empty()) {
        EXPECT_EQ(queue.pop_front().get(), expected.front());
        expected.pop_front();
    }
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.first_deadline(), detail::k_never);
}

}  // namespace
}  // namespace coir
