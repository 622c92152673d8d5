// SPDX-License-Identifier: BSL-1.0
#include "bench/offload/offload.hpp"

#include <chrono>
#include <utility>
#include <vector>

namespace {

using namespace bench;

// Tokio only where it can be had, and with it the goal that `bound` says.
void compare_with(settings const& s, std::vector<competitor> competitors, competitor tokio, double bound) {
    std::vector<goal> goals{{.subject = "coir", .reference = "Asio thread_pool", .bound = 1.0},
                            {.subject = "coir", .reference = "Python ThreadPoolExecutor", .bound = 0.5}};
    if (tokio.slice) {
        competitors.push_back(std::move(tokio));
        goals.push_back({.subject = "coir", .reference = offload::k_tokio, .bound = bound});
    }
    compare(s, competitors, goals);
}

}  // namespace

int main() {
    return guarded_main([] {
        compare_with({.title = "offload: one call after another to a thread and back", .unit = "ns/call"},
                     {offload::futex_round_trip(), offload::coir_round_trip(), offload::asio_round_trip(),
                      offload::python_round_trip()},
                     offload::tokio_round_trip(), 0.5);
        constexpr auto k_pause = std::chrono::milliseconds(2);
        compare_with({.title = "offload: one call to a thread and back, when all have gone to sleep (medians)",
                      .unit = "ns/call",
                      .fixed_units = 30},
                     {after_pauses(offload::futex_round_trip(), k_pause), offload::coir_after_pauses(k_pause),
                      after_pauses(offload::asio_round_trip(), k_pause),
                      after_pauses(offload::python_round_trip(), k_pause)},
                     offload::tokio_after_pauses(k_pause), 1.0);
        auto const compare_throughput = [](char const* title, unsigned threads, double bound) {
            compare_with({.title = title, .unit = "ns/call", .granularity = offload::k_in_flight},
                         {offload::futex_throughput(), offload::coir_throughput(threads),
                          offload::asio_throughput(threads), offload::python_throughput(threads)},
                         offload::tokio_throughput(threads), bound);
        };
        compare_throughput("offload: 64 calls under way on each pool as it comes", offload::k_as_it_comes, 0.25);
        compare_throughput("offload: 64 calls under way on 4 threads", offload::k_threads, 1.0);
    });
}
