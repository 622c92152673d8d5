// SPDX-License-Identifier: BSL-1.0
//
// What happens to an exception that nobody looks at.

#include "tests/support/running.hpp"

#include <coir/core/task/future.hpp>
#include <coir/core/task/gather.hpp>
#include <coir/core/task/task.hpp>

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace coir {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A worker that has no core for a while is not reported on stderr.
runtime_options const k_one_quiet_worker{.workers = 1, .stall_threshold = std::chrono::nanoseconds(0)};

struct handler_log {
    std::atomic<int> calls{0};
    std::string name;
    std::string what;

    runtime_options options(unsigned workers) {
        return {.workers = workers, .on_unhandled_exception = [this](task_ref t, std::exception_ptr const& e) {
                    calls.fetch_add(1);
                    name = t.name();
                    try {
                        std::rethrow_exception(e);
                    } catch (std::exception const& caught) {
                        what = caught.what();
                    }
                }};
    }
};

TEST(unhandled_exception, of_a_dropped_task_reaches_the_handler_once) {
    for (unsigned const workers : {1u, 4u}) {
        handler_log log;
        run(log.options(workers), [&] {
            spawn(task_options{.name = "loser"}, [] { throw std::runtime_error("lost"); }).detach();
            test::yield_until([&] { return log.calls != 0; });
        });
        EXPECT_EQ(log.calls, 1);
        EXPECT_EQ(log.name, "loser");
        EXPECT_EQ(log.what, "lost");
    }
}

TEST(unhandled_exception, is_reported_when_the_handle_goes_without_having_been_asked) {
    for (unsigned const workers : {1u, 4u}) {
        handler_log log;
        run(log.options(workers), [&] {
            {
                auto t = spawn([] { throw std::runtime_error("lost"); });
                t.wait();
                EXPECT_EQ(log.calls, 0);
            }
            test::yield_until([&] { return log.calls != 0; });
        });
        EXPECT_EQ(log.calls, 1);
    }
}

TEST(unhandled_exception, that_was_retrieved_is_not_reported) {
    for (unsigned const workers : {1u, 4u}) {
        handler_log log;
        run(log.options(workers), [&] {
            auto fail = [] { throw std::runtime_error("seen"); };
            auto a = spawn(fail);
            EXPECT_THROW(a.get(), std::runtime_error);
            auto b = spawn(fail);
            b.wait();
            EXPECT_NE(b.exception(), nullptr);
            EXPECT_THROW(gather(fail, fail), std::runtime_error);
        });
        EXPECT_EQ(log.calls, 0);
    }
}

TEST(unhandled_exception, cancellation_is_none) {
    for (unsigned const workers : {1u, 4u}) {
        handler_log log;
        run(log.options(workers), [] { spawn(test::sleep_forever).cancel(); });
        EXPECT_EQ(log.calls, 0);
    }
}

TEST(unhandled_exception, without_a_handler_gives_one_line_with_name_type_and_message) {
    testing::internal::CaptureStderr();
    run(k_one_quiet_worker, [] {
        spawn(task_options{.name = "loser"}, [] { throw std::runtime_error("lost"); }).detach();
        yield();
    });
    std::string const text = testing::internal::GetCapturedStderr();
    EXPECT_THAT(text, AllOf(HasSubstr("loser"), HasSubstr("runtime_error"), HasSubstr("lost")));
    EXPECT_EQ(std::ranges::count(text, '\n'), 1);
}

TEST(unhandled_exception, without_a_handler_gives_the_whole_name_however_long) {
    std::string const name = std::string(3'000, 'n') + "-end";
    testing::internal::CaptureStderr();
    run(k_one_quiet_worker, [&] {
        spawn(task_options{.name = name}, [] { throw std::runtime_error("lost"); }).detach();
        yield();
    });
    EXPECT_THAT(testing::internal::GetCapturedStderr(), AllOf(HasSubstr("'" + name + "'"), HasSubstr("lost")));
}

TEST(unhandled_exception, of_a_foreign_type_gives_a_line_too) {
    testing::internal::CaptureStderr();
    run(k_one_quiet_worker, [] {
        spawn(task_options{.name = "loser"}, [] { throw 17; }).detach();
        yield();
    });
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("loser"), HasSubstr("an exception of type int\n")));
}

TEST(unhandled_exception, handler_that_throws_is_written_to_stderr_and_goes_no_further) {
    testing::internal::CaptureStderr();
    run(runtime_options{.workers = 1,
                        .on_unhandled_exception = [](task_ref,
                                                     std::exception_ptr) { throw std::logic_error("handler"); }},
        [] {
            spawn([] { throw std::runtime_error("lost"); }).detach();
            yield();
        });
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("handler"));
}

TEST(unhandled_exception, of_a_future_that_nobody_asked_reaches_the_handler) {
    for (unsigned const workers : {1u, 4u}) {
        handler_log log;
        run(log.options(workers), [] {
            promise<int> p;
            {
                auto f = p.get_future();
                p.set_exception(std::make_exception_ptr(std::runtime_error("lost")));
            }
            promise<int>().swap(p);
        });
        EXPECT_EQ(log.calls, 1);
        EXPECT_EQ(log.what, "lost");
    }
}

TEST(unhandled_exception, of_a_task_s_future_reaches_the_handler_also_from_a_plain_thread) {
    for (unsigned const workers : {1u, 4u}) {
        handler_log log;
        run(log.options(workers), [&] {
            promise<int> p;
            static_cast<void>(p.get_future());
            std::thread([p = std::move(p)]() mutable {
                p.set_exception(std::make_exception_ptr(std::runtime_error("lost")));
            }).join();
            test::yield_until([&] { return log.calls == 1; });
        });
        EXPECT_EQ(log.calls, 1);
        EXPECT_EQ(log.what, "lost");
    }
}

TEST(unhandled_exception, of_a_task_s_future_gives_a_line_when_the_runtime_has_ended) {
    handler_log log;
    std::optional<promise<int>> outlives;
    run(log.options(1), [&] {
        outlives.emplace();
        static_cast<void>(outlives->get_future());
    });
    testing::internal::CaptureStderr();
    outlives->set_exception(std::make_exception_ptr(std::runtime_error("lost")));
    outlives.reset();
    std::string const text = testing::internal::GetCapturedStderr();
    EXPECT_THAT(text, AllOf(HasSubstr("future"), HasSubstr("runtime_error"), HasSubstr("lost")));
    EXPECT_EQ(log.calls, 0);
}

TEST(unhandled_exception, of_a_future_on_a_plain_thread_gives_a_line) {
    testing::internal::CaptureStderr();
    {
        promise<int> p;
        auto f = p.get_future();
        p.set_exception(std::make_exception_ptr(std::runtime_error("lost")));
    }
    std::string const text = testing::internal::GetCapturedStderr();
    EXPECT_THAT(text, AllOf(HasSubstr("future"), HasSubstr("runtime_error"), HasSubstr("lost")));
    EXPECT_EQ(std::ranges::count(text, '\n'), 1);
}

TEST(unhandled_exception, future_that_was_asked_cancelled_or_abandoned_is_not_reported) {
    testing::internal::CaptureStderr();
    {
        promise<int> asked;
        auto f = asked.get_future();
        asked.set_exception(std::make_exception_ptr(std::runtime_error("seen")));
        EXPECT_THROW(f.get(), std::runtime_error);
        promise<int> dropped;
        auto g = dropped.get_future();
        g.cancel();
        auto h = promise<int>().get_future();
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace coir
