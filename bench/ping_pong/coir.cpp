// SPDX-License-Identifier: BSL-1.0
#include "bench/ping_pong/ping_pong.hpp"

#include <coir/coir.hpp>

#include <memory>

namespace bench::ping_pong {
namespace {

// `pong()` is the other task's; `ping()` gives the number of trips that were seen there.
template <class Pong, class Ping>
competitor between_tasks(unsigned workers, Ping ping, Pong pong) {
    auto const home = std::make_shared<coir::runtime>(coir::runtime_options{.workers = workers});
    return {"coir " + std::to_string(workers), [home, ping, pong](std::uint64_t trips) {
                return home->block_on([&ping, &pong, trips] {
                    stopwatch const watch;
                    std::uint64_t const seen = ping(trips, pong);
                    double const took = watch.nanoseconds();
                    expect_equal(seen, trips, "round trips");
                    return took / static_cast<double>(trips);
                });
            }};
}

}  // namespace

competitor coir_semaphores(unsigned workers) {
    auto const pong = [](coir::semaphore& there, coir::semaphore& back, std::uint64_t trips) {
        std::uint64_t seen = 0;
        for (; seen < trips; ++seen) {
            there.acquire();
            back.release();
        }
        return seen;
    };
    return between_tasks(
        workers,
        [](std::uint64_t trips, auto const& other) {
            coir::semaphore there(0);
            coir::semaphore back(0);
            auto task = coir::spawn([&] { return other(there, back, trips); });
            for (std::uint64_t i = 0; i < trips; ++i) {
                there.release();
                back.acquire();
            }
            return task.get();
        },
        pong);
}

competitor coir_channels(unsigned workers) {
    using numbers = coir::channel<std::uint64_t>;
    auto const pong = [](numbers& there, numbers& back) {
        std::uint64_t seen = 0;
        while (auto const number = there.pop()) {
            ++seen;
            back.push(*number + 1);
        }
        return seen;
    };
    return between_tasks(
        workers,
        [](std::uint64_t trips, auto const& other) {
            numbers there;
            numbers back;
            auto task = coir::spawn([&] { return other(there, back); });
            std::uint64_t next = 0;
            while (next < trips) {
                there.push(std::uint64_t{next});
                next = *back.pop();
            }
            there.close();
            return task.get();
        },
        pong);
}

}  // namespace bench::ping_pong
