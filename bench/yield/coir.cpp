// SPDX-License-Identifier: BSL-1.0
#include "bench/yield/yield.hpp"

#include <coir/coir.hpp>

#include <memory>

namespace bench::yield {

competitor coir_yield() {
    auto const home = std::make_shared<coir::runtime>(coir::runtime_options{.workers = 1});
    return {"coir", [home](std::uint64_t yields) {
                return home->block_on([yields] {
                    auto const turns = [](std::uint64_t times) {
                        std::uint64_t done = 0;
                        for (; done < times; ++done) {
                            coir::yield();
                        }
                        return done;
                    };
                    stopwatch const watch;
                    auto first = coir::spawn(turns, yields / 2);
                    auto second = coir::spawn(turns, yields / 2);
                    std::uint64_t const done = first.get() + second.get();
                    double const took = watch.nanoseconds();
                    expect_equal(done, yields / 2 * 2, "yields");
                    return took / static_cast<double>(yields);
                });
            }};
}

}  // namespace bench::yield
