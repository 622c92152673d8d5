// SPDX-License-Identifier: BSL-1.0
//
// Boost.Fiber with its default scheduler. The work-stealing one registers its threads in static storage and does not
// survive a second set of them in one process (Boost 1.81), so it cannot take part in slices.

#include "bench/yield/yield.hpp"

#include <boost/fiber/all.hpp>

#include <thread>

namespace bench::yield {

competitor boost_fiber() {
    return {"Boost.Fiber", [](std::uint64_t yields) {
                double took = 0;
                std::uint64_t done = 0;
                // A thread of its own: the scheduler then goes with the slice.
                std::thread([&] {
                    auto const turns = [&done](std::uint64_t times) {
                        for (std::uint64_t i = 0; i < times; ++i) {
                            boost::this_fiber::yield();
                            ++done;
                        }
                    };
                    stopwatch const watch;
                    boost::fibers::fiber first(turns, yields / 2);
                    boost::fibers::fiber second(turns, yields / 2);
                    first.join();
                    second.join();
                    took = watch.nanoseconds();
                }).join();
                expect_equal(done, yields / 2 * 2, "yields");
                return took / static_cast<double>(yields);
            }};
}

}  // namespace bench::yield
