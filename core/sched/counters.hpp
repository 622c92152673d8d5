// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>

namespace coir::detail {

/// Counted by one thread, read by any: a load and a store, no read-modify-write.
class counter {
public:
    void add(std::uint64_t by) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    }
    /// As add(), ordered after everything before it; pairs with read_acquire().
    void add_release(std::uint64_t by) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_release);
    }
    std::uint64_t read() const noexcept { return value_.load(std::memory_order_relaxed); }
    std::uint64_t read_acquire() const noexcept { return value_.load(std::memory_order_acquire); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// What a worker counts.
struct counters {
    counter tasks_spawned;
    counter tasks_ended;
    counter tasks_resumed;
    counter tasks_stolen;
    counter parks;
    counter wakeups;
    counter timers_fired;
    counter io_events;
    counter looks;
    counter yields_to_nobody;  // turns that the running task kept, as nobody else wanted one
    counter stacks_made;       // or taken from those that all workers share
    counter starts_refused;    // of tasks for whose stacks there was no memory
};

}  // namespace coir::detail
