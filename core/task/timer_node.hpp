// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>

namespace coir::detail {

class timers;
class waiter;

/// One timer of a worker's heap; lies in the frame of whoever waits for it. See timers.hpp for who may touch it when.
struct timer_node {
    static constexpr std::size_t k_not_queued = ~std::size_t{0};

    /// Either a waiter, whose wait is claimed as timed out, or a callback.
    waiter* who = nullptr;
    void (*callback)(timer_node&) noexcept = nullptr;

    timers* home = nullptr;
    std::size_t index = k_not_queued;
    std::atomic<bool> firing{false};
};

}  // namespace coir::detail
