// SPDX-License-Identifier: BSL-1.0
#include <coir/asio.hpp>

#include "tests/support/running.hpp"

#include <coir/core/task/timeout.hpp>
#include <coir/executors/wrap_future.hpp>
#include <coir/sync/event.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace coir {
namespace {

namespace asio = boost::asio;
using test::on_one_and_four_workers;
using stream = asio::local::stream_protocol::socket;

// An io_context on threads of its own.
class io_threads {
public:
    explicit io_threads(int count) {
        for (int i = 0; i < count; ++i) {
            threads_.emplace_back([this] { context.run(); });
        }
    }
    ~io_threads() {
        work_.reset();
        context.stop();
        for (auto& t : threads_) {
            t.join();
        }
    }
    asio::io_context context;

private:
    asio::executor_work_guard<asio::io_context::executor_type> work_{context.get_executor()};
    std::vector<std::thread> threads_;
};

struct connection {
    explicit connection(asio::any_io_executor const& where) : near(where), far(where) {
        asio::local::connect_pair(near, far);
    }
    explicit connection(asio::io_context& context) : connection(asio::any_io_executor(context.get_executor())) {}
    stream near;
    stream far;
};

TEST(use_task, awaits_an_operation_and_returns_its_result) {
    on_one_and_four_workers([] {
        io_threads io(2);
        connection c(io.context);
        char buffer[5];
        auto reader = spawn([&] { return asio::async_read(c.near, asio::buffer(buffer), use_task); });
        EXPECT_EQ(c.far.async_write_some(asio::buffer("he", 2), use_task), 2u);
        EXPECT_EQ(asio::async_write(c.far, asio::buffer("llo", 3), use_task), 3u);
        EXPECT_EQ(reader.get(), 5u);
        EXPECT_EQ(std::string(buffer, 5), "hello");
        asio::steady_timer timer(io.context, std::chrono::milliseconds(1));
        timer.async_wait(use_task);
        asio::post(io.context, use_task);
    });
}

TEST(use_task, throws_errors_and_leaves_them_to_who_asks_for_them) {
    on_one_and_four_workers([] {
        io_threads io(1);
        char buffer[1];
        // One read at each end of file: Asio waits for news of the descriptor before a second one.
        auto const closed = [&] {
            connection c(io.context);
            c.far.close();
            return std::move(c.near);
        };
        try {
            closed().async_read_some(asio::buffer(buffer), use_task);
            ADD_FAILURE() << "no error";
        } catch (boost::system::system_error const& e) {
            EXPECT_EQ(e.code(), asio::error::eof);
        }
        boost::system::error_code error;
        EXPECT_EQ(closed().async_read_some(asio::buffer(buffer), asio::redirect_error(use_task, error)), 0u);
        EXPECT_EQ(error, asio::error::eof);
        auto const [code, size] = closed().async_read_some(asio::buffer(buffer), asio::as_tuple(use_task));
        EXPECT_EQ(code, asio::error::eof);
        EXPECT_EQ(size, 0u);
    });
}

TEST(use_task, cancelled_task_cancels_its_operation_and_no_other) {
    on_one_and_four_workers([] {
        io_threads io(2);
        connection c(io.context);
        char near[4];
        char far[4];
        auto cancelled_one = spawn([&] { asio::async_read(c.near, asio::buffer(near), use_task); });
        auto another = spawn([&] { return asio::async_read(c.far, asio::buffer(far), use_task); });
        test::yield_until_waiting(cancelled_one);
        test::yield_until_waiting(another);
        cancelled_one.cancel();
        EXPECT_THROW(cancelled_one.get(), cancelled);
        EXPECT_FALSE(another.done());
        asio::async_write(c.near, asio::buffer("four", 4), use_task);
        EXPECT_EQ(another.get(), 4u);
    });
}

asio::awaitable<void> wait_for_an_hour() {
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::hours(1));
    co_await timer.async_wait(asio::use_awaitable);
}

TEST(use_task, cancelled_task_cancels_a_coroutine_whatever_becomes_of_it_there) {
    on_one_and_four_workers([] {
        io_threads io(1);
        for (int i = 0; i < 2; ++i) {
            auto waiting = spawn([&, i] {
                if (i == 0) {
                    asio::co_spawn(io.context, wait_for_an_hour(), use_task);
                } else {
                    asio::co_spawn(io.context, wait_for_an_hour(), asio::as_tuple(use_task));
                }
            });
            test::yield_until_waiting(waiting);
            waiting.cancel();
            EXPECT_THROW(waiting.get(), cancelled);
        }
    });
}

TEST(use_task, timeout_ends_an_operation) {
    on_one_and_four_workers([] {
        io_threads io(1);
        asio::steady_timer timer(io.context, std::chrono::hours(1));
        EXPECT_THROW(with_timeout(std::chrono::milliseconds(1), [&] { timer.async_wait(use_task); }), timeout_error);
        connection c(io.context);
        char buffer[1];
        EXPECT_THROW(with_timeout(std::chrono::milliseconds(1),
                                  [&] { c.near.async_read_some(asio::buffer(buffer), asio::as_tuple(use_task)); }),
                     timeout_error);
    });
}

TEST(use_task, operation_of_an_io_context_that_goes_away_is_aborted) {
    on_one_and_four_workers([] {
        auto context = std::make_unique<asio::io_context>();  // that nobody runs
        auto waiting = spawn([&] { asio::post(*context, use_task); });
        test::yield_until_waiting(waiting);
        context.reset();
        EXPECT_THROW(waiting.get(), boost::system::system_error);
    });
}

TEST(use_task, works_on_a_plain_thread) {
    io_threads io(1);
    asio::steady_timer timer(io.context, std::chrono::milliseconds(1));
    timer.async_wait(use_task);
}

// The cancellation may have to wait for its turn behind the end of the operation, after which the socket may be gone.
TEST(use_task, cancellation_that_comes_too_late_leaves_the_socket_alone) {
    run(runtime_options{.workers = 1}, [] {
        for (int steps = 0; steps < 5; ++steps) {
            asio::io_context context;
            // So that a step is a step: nothing runs at once that can be put off.
            asio::any_io_executor const never_at_once(
                asio::require(context.get_executor(), asio::execution::blocking.never));
            auto c = std::make_unique<connection>(never_at_once);
            char buffer[1];
            auto reader = spawn([&] { return c->near.async_read_some(asio::buffer(buffer), use_task); });
            test::yield_until_waiting(reader);
            asio::write(c->far, asio::buffer("x", 1));
            for (int i = 0; i < steps; ++i) {
                context.poll_one();
            }
            reader.cancel();
            for (yield(); !reader.done(); yield()) {  // at first it asks for the cancellation
                context.poll_one();
            }
            if (!reader.cancelled()) {
                EXPECT_EQ(reader.get(), 1u);
            }
            c.reset();
            context.restart();
            context.poll();
        }
    });
}

TEST(use_task, many_tasks_share_an_io_context_and_are_cancelled_at_any_moment) {
    on_one_and_four_workers([] {
        io_threads io(2);
        for (int round = 0; round < 50; ++round) {
            connection c(io.context);
            char buffer[1];
            auto reader = spawn([&] { return c.near.async_read_some(asio::buffer(buffer), use_task); });
            auto writer = spawn([&] { c.far.async_write_some(asio::buffer("x", 1), use_task); });
            for (int i = 0; i < round % 5; ++i) {
                yield();
            }
            reader.cancel();
            writer.get();
            try {
                EXPECT_EQ(reader.get(), 1u);
            } catch (cancelled const&) {
                // Then nothing was read: the byte is still there.
                EXPECT_EQ(c.near.async_read_some(asio::buffer(buffer), use_task), 1u);
            }
        }
    });
}

template <class Awaited>
asio::awaitable<int> twice(Awaited awaited) {
    co_await async_wait(awaited, asio::use_awaitable);
    EXPECT_TRUE(awaited.done());
    co_return 2 * awaited.get();
}

TEST(async_wait, coroutine_of_asio_waits_for_tasks_and_futures) {
    on_one_and_four_workers([] {
        io_threads io(1);
        promise<int> p;
        auto of_future = asio::co_spawn(io.context, twice(p.get_future()), asio::use_future);
        promise<int> q;
        auto of_shared = asio::co_spawn(io.context, twice(q.get_future().share()), asio::use_future);
        event released;
        auto of_task = asio::co_spawn(io.context, twice(spawn([&] {
                                          released.wait();
                                          return 3;
                                      })),
                                      asio::use_future);
        auto of_failed = asio::co_spawn(io.context, twice(spawn([]() -> int { throw std::runtime_error("task"); })),
                                        asio::use_future);
        p.set_value(1);
        q.set_value(2);
        released.set();
        EXPECT_EQ(wrap_future(std::move(of_future)).get(), 2);
        EXPECT_EQ(wrap_future(std::move(of_shared)).get(), 4);
        EXPECT_EQ(wrap_future(std::move(of_task)).get(), 6);
        EXPECT_THROW(wrap_future(std::move(of_failed)).get(), std::runtime_error);
    });
}

// Notes how often it was called, and with what.
struct calls {
    int count = 0;
    boost::system::error_code error;

    auto handler_on(asio::io_context& context) {
        return asio::bind_executor(context.get_executor(), [this](boost::system::error_code e) {
            ++count;
            error = e;
        });
    }
};

TEST(async_wait, handler_is_called_by_its_executor_which_has_work_until_then) {
    asio::io_context context;
    promise<int> p;
    auto const f = p.get_future();
    calls later;
    async_wait(f, later.handler_on(context));
    context.poll();
    EXPECT_FALSE(context.stopped());
    p.set_value(1);
    EXPECT_EQ(later.count, 0);
    context.run();
    EXPECT_EQ(later.count, 1);
    EXPECT_FALSE(later.error);

    calls at_once;
    async_wait(f, at_once.handler_on(context));
    EXPECT_EQ(at_once.count, 0);
    context.restart();
    context.run();
    EXPECT_EQ(at_once.count, 1);
    EXPECT_FALSE(at_once.error);
}

TEST(async_wait, cancelled_one_is_aborted_and_leaves_the_future_alone) {
    asio::io_context context;
    asio::cancellation_signal cancellation;
    promise<int> p;
    auto f = p.get_future();
    calls seen;
    async_wait(f, asio::bind_cancellation_slot(cancellation.slot(), seen.handler_on(context)));
    cancellation.emit(asio::cancellation_type::terminal);
    context.run();
    EXPECT_EQ(seen.count, 1);
    EXPECT_EQ(seen.error, asio::error::operation_aborted);
    p.set_value(1);
    EXPECT_EQ(f.get(), 1);
    cancellation.emit(asio::cancellation_type::terminal);  // of nothing
    context.restart();
    context.run();
    EXPECT_EQ(seen.count, 1);
}

TEST(async_wait, completion_and_cancellation_at_the_same_moment_call_the_handler_once) {
    for (int round = 0; round < 500; ++round) {
        asio::io_context context;
        asio::cancellation_signal cancellation;
        promise<int> p;
        auto f = p.get_future();
        calls seen;
        async_wait(f, asio::bind_cancellation_slot(cancellation.slot(), seen.handler_on(context)));
        std::latch both(2);
        std::thread completes([&] {
            both.arrive_and_wait();
            p.set_value(round);
        });
        both.arrive_and_wait();
        cancellation.emit(asio::cancellation_type::terminal);
        context.run();
        completes.join();
        EXPECT_EQ(seen.count, 1);
        EXPECT_EQ(f.get(), round);
    }
}

TEST(async_wait, context_may_end_as_soon_as_the_handler_says_so) {
    for (int round = 0; round < 300; ++round) {
        promise<int> p;
        auto const f = p.get_future();
        auto context = std::make_unique<asio::io_context>();
        auto work = asio::make_work_guard(*context);
        async_wait(f, asio::bind_executor(context->get_executor(),
                                          [&context](boost::system::error_code) { context->stop(); }));
        std::thread completes([&p] { p.set_value(1); });
        context->run();
        work.reset();
        context.reset();
        completes.join();
    }
}

TEST(async_wait, coroutine_that_is_never_resumed_ends_with_its_io_context) {
    auto const kept = std::make_shared<int>(1);
    asio::cancellation_signal cancellation;
    {
        asio::io_context context;
        bool begun = false;
        auto const body = [](future<int> awaited, bool& mark, std::shared_ptr<int>) -> asio::awaitable<void> {
            mark = true;
            co_await async_wait(awaited, asio::use_awaitable);
            ADD_FAILURE() << "goes on";
        };
        promise<int> p;
        p.set_value(1);
        asio::co_spawn(context, body(p.get_future(), begun, kept),
                       asio::bind_cancellation_slot(cancellation.slot(), asio::detached));
        while (!begun) {
            context.poll_one();
        }
    }
    EXPECT_EQ(kept.use_count(), 1);
}

TEST(async_wait, empty_handle_is_an_error) {
    EXPECT_THROW(async_wait(future<int>(), asio::detached), invalid_state);
}

}  // namespace
}  // namespace coir
