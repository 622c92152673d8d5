// SPDX-License-Identifier: BSL-1.0
#pragma once

// Handing a call that does nothing to another thread and getting its result back: one after another (a round trip), and
// with 64 under way all the time (throughput).

#include "bench/support/paired.hpp"

#include <chrono>
#include <cstddef>

namespace bench::offload {

inline constexpr std::size_t k_in_flight = 64;
inline constexpr unsigned k_threads = 4;
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

/// The same, one number for each 64 calls.
competitor futex_throughput();
competitor coir_throughput();
competitor asio_throughput();
competitor tokio_throughput();
competitor python_throughput();

}  // namespace bench::offload
