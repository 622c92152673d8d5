// SPDX-License-Identifier: BSL-1.0
#pragma once

// Handing a call that does nothing to another thread and getting its result back: one after another (a round trip), and
// with 64 under way all the time (throughput), on the same number of threads each, and on pools as they come.

#include "bench/support/paired.hpp"

#include <chrono>
#include <cstddef>

namespace bench::offload {

inline constexpr std::size_t k_in_flight = 64;
inline constexpr unsigned k_threads = 4;
/// As many threads as a pool has by itself: coir and Python a few more than there are cores, Asio twice as many as there are,
/// Tokio up to 512.
inline constexpr unsigned k_as_it_comes = 0;
inline constexpr char k_tokio[] = "Tokio spawn_blocking";

/// Two threads that wake each other by futex, never spinning: what the kernel makes of it.
competitor futex_round_trip();
competitor coir_round_trip();
competitor asio_round_trip();
/// Without a slice if it cannot be had here.
competitor tokio_round_trip();
competitor python_round_trip();
/// A round trip after each pause of who calls: the median.
competitor coir_after_pauses(std::chrono::microseconds pause);
competitor tokio_after_pauses(std::chrono::microseconds pause);

/// One number for each 64 calls.
competitor futex_throughput();
competitor coir_throughput(unsigned threads);
competitor asio_throughput(unsigned threads);
competitor tokio_throughput(unsigned threads);
competitor python_throughput(unsigned threads);

}  // namespace bench::offload
