// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/call_once.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/task.hpp>
#include <coir/sync/event.hpp>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;
using test::yield_until_waiting;

TEST(call_once, runs_once_and_the_others_wait_for_it) {
    on_one_and_four_workers([] {
        once_flag flag;
        event go;
        int calls = 0;
        std::vector<task<void>> callers;
        for (int i = 0; i < 10; ++i) {
            callers.push_back(spawn([&] {
                call_once(flag, [&] {
                    go.wait();
                    ++calls;
                });
                EXPECT_EQ(calls, 1);
            }));
            yield_until_waiting(callers.back());
        }
        go.set();
        for (auto& c : callers) {
            c.get();
        }
        call_once(flag, [&] { ++calls; });
        EXPECT_EQ(calls, 1);
    });
}

TEST(call_once, one_that_throws_lets_the_next_run) {
    on_one_and_four_workers([] {
        once_flag flag;
        event go;
        auto failing = spawn([&] {
            call_once(flag, [&] {
                go.wait();
                throw std::runtime_error("no");
            });
        });
        yield_until_waiting(failing);
        int value = 0;
        auto next = spawn([&] {
            call_once(
                flag, [&](int v) { value = v; }, 2);
        });
        yield_until_waiting(next);
        go.set();
        EXPECT_THROW(failing.get(), std::runtime_error);
        next.get();
        EXPECT_EQ(value, 2);
    });
}

TEST(call_once, one_that_throws_with_nobody_waiting_leaves_it_undone) {
    once_flag flag;
    EXPECT_THROW(call_once(flag, [] { throw std::runtime_error("no"); }), std::runtime_error);
    bool ran = false;
    call_once(flag, [&] { ran = true; });
    EXPECT_TRUE(ran);
}

TEST(call_once, one_that_is_cancelled_lets_the_next_run) {
    on_one_and_four_workers([] {
        once_flag flag;
        auto first = spawn([&] { call_once(flag, [] { test::sleep_forever(); }); });
        yield_until_waiting(first);
        auto leaves = spawn([&] { call_once(flag, [] { ADD_FAILURE(); }); });
        yield_until_waiting(leaves);
        auto next = spawn([&] {
            bool ran = false;
            call_once(flag, [&] { ran = true; });
            return ran;
        });
        yield_until_waiting(next);
        leaves.cancel();
        EXPECT_THROW(leaves.get(), cancelled);
        first.cancel();
        EXPECT_THROW(first.get(), cancelled);
        EXPECT_TRUE(next.get());
    });
}

TEST(call_once, takes_what_only_moves) {
    once_flag flag;
    int got = 0;
    call_once(
        flag, [&](std::unique_ptr<int> p) { got = *p; }, std::make_unique<int>(4));
    EXPECT_EQ(got, 4);
}

TEST(call_once, flag_may_be_static_and_serves_plain_threads_and_tasks) {
    static constinit once_flag flag;
    static std::atomic<int> calls{0};
    runtime rt(runtime_options{.workers = 2});
    auto body = [] {
        call_once(flag, [] { calls.fetch_add(1); });
        EXPECT_EQ(calls, 1);
    };
    std::thread thread(body);
    auto t = rt.spawn(body);
    body();
    thread.join();
    t.get();
}

}  // namespace
}  // namespace coir
