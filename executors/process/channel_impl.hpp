// SPDX-License-Identifier: BSL-1.0
#pragma once

// The socket between a pool and a worker, as system calls.

#include "executors/process/descriptor_impl.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <span>

namespace coir::detail {

struct channel_result {
    std::size_t count = 0;  ///< bytes moved; 0 with error 0 means that the peer has closed
    int error = 0;          ///< an errno
};

inline constexpr std::size_t k_most_passed = 2;

/// One attempt to send; the descriptors in `passed`, k_most_passed at the most, go with the first byte. Never raises SIGPIPE.
/// `may_block`: wait for room.
channel_result send_some(int socket, std::span<std::byte const> bytes, std::span<int const> passed = {},
                         bool may_block = false) noexcept;

/// One attempt to receive, without waiting. A descriptor that comes along is thrown away by the kernel.
channel_result receive_some(int socket, std::span<std::byte> to) noexcept;

using passed_descriptors = std::array<owned_descriptor, k_most_passed>;

/// The worker's side: waits, and keeps the descriptors that come along, if any do.
channel_result receive_with_descriptors(int socket, std::span<std::byte> to, passed_descriptors& passed) noexcept;

/// Everything, waiting. False if the peer is gone.
bool send_all(int socket, std::span<std::byte const> bytes) noexcept;

}  // namespace coir::detail
