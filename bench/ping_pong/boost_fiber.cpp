// SPDX-License-Identifier: BSL-1.0
#include "bench/ping_pong/ping_pong.hpp"

#include <boost/fiber/all.hpp>

#include <mutex>
#include <thread>

namespace bench::ping_pong {
namespace {

class semaphore {
public:
    void acquire() {
        std::unique_lock lock(lock_);
        changed_.wait(lock, [this] { return permits_ != 0; });
        --permits_;
    }
    void release() {
        {
            std::lock_guard const guard(lock_);
            ++permits_;
        }
        changed_.notify_one();
    }

private:
    boost::fibers::mutex lock_;
    boost::fibers::condition_variable changed_;
    std::uint64_t permits_ = 0;
};

// A thread of its own: the scheduler then goes with the slice. `body(trips)` gives the trips that the other one saw.
template <class Body>
competitor between_fibers(Body body) {
    return {"Boost.Fiber", [body](std::uint64_t trips) {
                double took = 0;
                std::uint64_t seen = 0;
                std::thread([&] {
                    stopwatch const watch;
                    seen = body(trips);
                    took = watch.nanoseconds();
                }).join();
                expect_equal(seen, trips, "round trips");
                return took / static_cast<double>(trips);
            }};
}

}  // namespace

competitor boost_fiber_semaphores() {
    return between_fibers([](std::uint64_t trips) {
        semaphore there;
        semaphore back;
        std::uint64_t seen = 0;
        boost::fibers::fiber other([&] {
            for (; seen < trips; ++seen) {
                there.acquire();
                back.release();
            }
        });
        for (std::uint64_t i = 0; i < trips; ++i) {
            there.release();
            back.acquire();
        }
        other.join();
        return seen;
    });
}

competitor boost_fiber_channels() {
    return between_fibers([](std::uint64_t trips) {
        boost::fibers::unbuffered_channel<std::uint64_t> there;
        boost::fibers::unbuffered_channel<std::uint64_t> back;
        std::uint64_t seen = 0;
        boost::fibers::fiber other([&] {
            for (std::uint64_t number = 0; there.pop(number) == boost::fibers::channel_op_status::success;) {
                ++seen;
                back.push(number + 1);
            }
        });
        std::uint64_t next = 0;
        while (next < trips) {
            there.push(next);
            back.pop(next);
        }
        there.close();
        other.join();
        return seen;
    });
}

}  // namespace bench::ping_pong
