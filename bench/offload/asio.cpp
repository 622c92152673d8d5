// SPDX-License-Identifier: BSL-1.0
//
// boost::asio::thread_pool, awaited by C++20 coroutines on an io_context with one thread: each posts to the pool and comes
// back by a post to the io_context.

#include "bench/offload/offload.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>

namespace bench::offload {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> call(asio::thread_pool& pool, asio::io_context& home, std::uint64_t times, std::uint64_t& sum) {
    for (std::uint64_t i = 0; i < times; ++i) {
        co_await asio::post(pool, asio::use_awaitable);
        std::uint64_t const result = 1;
        co_await asio::post(home, asio::use_awaitable);
        sum += result;
    }
}

// The pool's threads may still let go of what refers to `home` when that has its last answer: so they end first.
struct both {
    both() = default;
    explicit both(unsigned threads) : pool(threads) {}

    asio::io_context home{1};
    asio::thread_pool pool;
};

competitor asio_with(unsigned threads, std::size_t in_flight) {
    auto const made = threads == k_as_it_comes ? std::make_shared<both>() : std::make_shared<both>(threads);
    return {"Asio thread_pool", [made, in_flight](std::uint64_t calls) {
                asio::io_context& home = made->home;
                asio::thread_pool& pool = made->pool;
                home.restart();
                std::uint64_t sum = 0;
                auto const work = asio::make_work_guard(home);
                std::size_t left = in_flight;
                stopwatch const watch;
                for (std::size_t i = 0; i < in_flight; ++i) {
                    asio::co_spawn(home, call(pool, home, calls / in_flight, sum),
                                   [&](std::exception_ptr const& error) {
                                       if (error) {
                                           std::rethrow_exception(error);
                                       }
                                       if (--left == 0) {
                                           home.stop();
                                       }
                                   });
                }
                home.run();
                double const took = watch.nanoseconds();
                expect_equal(sum, calls, "calls");
                return took / static_cast<double>(calls);
            }};
}

}  // namespace

competitor asio_round_trip() {
    return asio_with(k_threads, 1);
}

competitor asio_throughput(unsigned threads) {
    return asio_with(threads, k_in_flight);
}

}  // namespace bench::offload
