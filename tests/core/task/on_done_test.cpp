// SPDX-License-Identifier: BSL-1.0
//
// on_done() of tasks and futures.
#include <coir/core/task/future.hpp>
#include <coir/core/task/task.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/context.hpp>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace coir {
namespace {

using test::on_one_and_four_workers;

TEST(on_done, calls_back_with_the_task_when_it_has_ended) {
    on_one_and_four_workers([] {
        promise<void> p;
        auto t = spawn([f = p.get_future()]() mutable { f.get(); });
        std::atomic<std::uint64_t> seen{0};
        t.on_done([&](task_ref r) {
            EXPECT_TRUE(r.done());
            seen = r.id();
        });
        for (int i = 0; i < 100; ++i) {
            yield();
        }
        EXPECT_EQ(seen, 0u);
        p.set_value();
        test::yield_until([&] { return seen != 0; });
        EXPECT_EQ(seen, t.id());
    });
}

TEST(on_done, is_never_inline) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto f = p.get_future();
        auto const self = current_task().id();
        std::atomic<int> calls{0};
        auto check = [&] {
            EXPECT_NE(current_task().id(), self);
            ++calls;
        };
        f.on_done(check);
        p.set_value(1);
        f.on_done(check);
        auto ended = spawn([] {});
        ended.wait();
        ended.on_done([&](task_ref) { check(); });
        test::yield_until([&] { return calls == 3; });
    });
    run(runtime_options{.workers = 1}, [] {
        promise<int> p;
        auto f = p.get_future();
        int calls = 0;
        f.on_done([&] { ++calls; });
        p.set_value(1);
        f.on_done([&] { ++calls; });
        EXPECT_EQ(calls, 0);
        test::yield_until([&] { return calls == 2; });
    });
}

TEST(on_done, callbacks_run_in_the_order_of_their_registration) {
    on_one_and_four_workers([] {
        for (int round = 0; round < 20; ++round) {
            promise<void> p;
            auto f = p.get_future();
            std::vector<int> order;
            std::atomic<int> calls{0};
            auto add = [&](int i) {
                f.on_done([&, i] {
                    order.push_back(i);
                    ++calls;
                });
            };
            for (int i = 0; i < 50; ++i) {
                add(i);
            }
            auto setter = spawn([&] { p.set_value(); });
            test::yield_until([&] { return f.done(); });
            for (int i = 50; i < 100; ++i) {
                add(i);
            }
            test::yield_until([&] { return calls == 100; });
            for (int i = 0; i < 100; ++i) {
                ASSERT_EQ(order[static_cast<std::size_t>(i)], i);
            }
            setter.get();
        }
    });
}

TEST(on_done, comes_after_a_failure_and_after_a_cancellation) {
    on_one_and_four_workers([] {
        std::atomic<int> calls{0};
        auto failing = spawn([] { throw std::runtime_error("failed"); });
        failing.on_done([&](task_ref r) {
            EXPECT_EQ(r.state(), task_state::failed);
            ++calls;
        });
        auto sleeping = spawn(test::sleep_forever);
        sleeping.on_done([&](task_ref r) {
            EXPECT_EQ(r.state(), task_state::cancelled);
            ++calls;
        });
        sleeping.cancel();
        promise<int> p;
        auto f = p.get_future();
        f.on_done([&] { ++calls; });
        f.cancel();
        EXPECT_THROW(failing.get(), std::runtime_error);
        test::yield_until([&] { return calls == 3; });
    });
}

TEST(on_done, callback_has_the_context_of_its_registration) {
    on_one_and_four_workers([] {
        context_var<int> v(0);
        promise<void> p;
        auto f = p.get_future();
        std::atomic<int> seen{-1};
        v.set(1);
        f.on_done([&] { seen = v.get(); });
        v.set(2);
        p.set_value();
        test::yield_until([&] { return seen != -1; });
        EXPECT_EQ(seen, 1);
    });
}

TEST(on_done, callback_is_on_the_strand_of_its_registration) {
    on_one_and_four_workers([] {
        strand const s;
        promise<void> p;
        auto f = p.get_future();
        std::atomic<int> calls{0};
        int plain = 0;
        spawn({.strand = s}, [&] {
            for (int i = 0; i < 100; ++i) {
                f.on_done([&] {
                    ++plain;
                    ++calls;
                });
                spawn([&] { ++plain; }).detach();
            }
            p.set_value();
            EXPECT_EQ(calls, 0);  // this strand is still held
        }).get();
        test::yield_until([&] { return calls == 100; });
        spawn({.strand = s}, [&] { EXPECT_EQ(plain, 200); }).get();
    });
}

TEST(on_done, exception_of_a_callback_reaches_the_handler) {
    for (unsigned const workers : {1u, 4u}) {
        std::atomic<int> reported{0};
        run(runtime_options{.workers = workers,
                            .on_unhandled_exception = [&](task_ref, std::exception_ptr const&) { ++reported; }},
            [&] {
                auto t = spawn([] {});
                t.on_done([](task_ref) { throw std::runtime_error("lost"); });
                test::yield_until([&] { return reported != 0; });
            });
        EXPECT_EQ(reported, 1);
    }
}

TEST(on_done, may_be_registered_from_a_plain_thread) {
    std::atomic<bool> called{false};
    runtime rt(runtime_options{.workers = 2});
    promise<void> p;
    auto t = rt.spawn([f = p.get_future()]() mutable { f.get(); });
    t.on_done([&](task_ref) { called = true; });
    p.set_value();
    test::yield_until([&] { return called.load(); });
}

TEST(on_done, of_a_future_outside_of_a_task_throws) {
    promise<void> p;
    auto f = p.get_future();
    EXPECT_THROW(f.on_done([] {}), no_running_runtime);
    p.set_value();
}

TEST(on_done, callbacks_of_tasks_that_the_shutdown_ends_run) {
    for (unsigned const workers : {1u, 4u}) {
        std::atomic<int> calls{0};
        run(runtime_options{.workers = workers}, [&] {
            for (int i = 0; i < 10; ++i) {
                spawn(test::sleep_forever).on_done([&](task_ref) { ++calls; });
            }
        });
        EXPECT_EQ(calls, 10);
    }
}

TEST(on_done, callback_whose_runtime_has_ended_is_destroyed_and_not_run) {
    auto const witness = std::make_shared<int>(0);
    promise<void> p;
    auto f = p.get_future();
    run(runtime_options{.workers = 1}, [&] { f.on_done([witness] { ADD_FAILURE(); }); });
    EXPECT_EQ(witness.use_count(), 2);
    p.set_value();
    EXPECT_EQ(witness.use_count(), 1);
}

TEST(on_done, callback_that_waits_for_its_cause_is_no_live_task) {
    on_one_and_four_workers([] {
        promise<void> p;
        auto f = p.get_future();
        f.on_done([] {});
        EXPECT_EQ(all_tasks().size(), 1u);
        p.set_value();
    });
}

TEST(on_done, shared_future_calls_back_too) {
    on_one_and_four_workers([] {
        promise<int> p;
        auto f = p.get_future().share();
        auto g = f;
        std::atomic<int> calls{0};
        f.on_done([&] { ++calls; });
        g.on_done([&] { ++calls; });
        p.set_value(1);
        test::yield_until([&] { return calls == 2; });
    });
}

}  // namespace
}  // namespace coir
