// SPDX-License-Identifier: BSL-1.0
#include "bench/parked/parked.hpp"
#include "bench/support/paired.hpp"

#include <boost/fiber/all.hpp>

#include <vector>

namespace bench::parked {

figures boost_fibers(std::size_t count, std::size_t stack_size) {
    figures result;
    std::size_t const before = memory_in_use();
    boost::fibers::mutex lock;
    boost::fibers::condition_variable gate_opens;
    bool open = false;
    std::size_t arrived = 0;
    std::size_t sum = 0;
    std::vector<boost::fibers::fiber> fibers;
    stopwatch const making;
    fibers.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        fibers.emplace_back(std::allocator_arg, boost::fibers::fixedsize_stack(stack_size), [&, i] {
            ++arrived;
            std::unique_lock guard(lock);
            gate_opens.wait(guard, [&] { return open; });
            sum += i;
        });
    }
    while (arrived != count) {
        boost::this_fiber::yield();
    }
    boost::this_fiber::yield();
    result.make_ns_each = making.nanoseconds() / static_cast<double>(count);
    result.bytes_each = static_cast<double>(memory_in_use() - before) / static_cast<double>(count);
    stopwatch const waking;
    {
        std::unique_lock const guard(lock);
        open = true;
    }
    gate_opens.notify_all();
    for (auto& fiber : fibers) {
        fiber.join();
    }
    result.wake_ms = waking.nanoseconds() / 1e6;
    expect_equal(sum, count * (count - 1) / 2, "the sum of the results");
    return result;
}

}  // namespace bench::parked
