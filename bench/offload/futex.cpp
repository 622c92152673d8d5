// SPDX-License-Identifier: BSL-1.0
//
// The floor: one other thread, and two futex words. A batch of calls is one number that goes over and comes back.

#include "core/base/futex.hpp"
#include "bench/offload/offload.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

namespace bench::offload {
namespace {

class other_thread {
public:
    other_thread() : thread_([this] { serve(); }) {}
    ~other_thread() {
        pass(there_, k_end);
        thread_.join();
    }
    std::uint32_t call(std::uint32_t number) {
        pass(there_, number);
        return take(here_);
    }

private:
    static constexpr std::uint32_t k_end = ~0u;

    static void pass(std::atomic<std::uint32_t>& word, std::uint32_t value) {
        word.store(value, std::memory_order_release);
        coir::detail::futex_wake(word, 1);
    }
    static std::uint32_t take(std::atomic<std::uint32_t>& word) {
        for (;;) {
            if (std::uint32_t const got = word.exchange(0, std::memory_order_acquire)) {
                return got;
            }
            coir::detail::futex_wait(word, 0);
        }
    }
    void serve() {
        for (std::uint32_t number = take(there_); number != k_end; number = take(there_)) {
            pass(here_, number);
        }
    }

    std::atomic<std::uint32_t> there_{0};
    alignas(128) std::atomic<std::uint32_t> here_{0};
    std::thread thread_;
};

competitor futex_with(std::uint32_t batch) {
    auto const other = std::make_shared<other_thread>();
    return {"futex", [other, batch](std::uint64_t calls) {
                stopwatch const watch;
                std::uint64_t sum = 0;
                for (std::uint64_t i = 0; i < calls; i += batch) {
                    sum += other->call(batch);
                }
                double const took = watch.nanoseconds();
                expect_equal(sum, calls, "calls");
                return took / static_cast<double>(calls);
            }};
}

}  // namespace

competitor futex_round_trip() {
    return futex_with(1);
}

competitor futex_throughput() {
    return futex_with(k_in_flight);
}

}  // namespace bench::offload
