// SPDX-License-Identifier: BSL-1.0
#pragma once

// The monitor's watch over tasks that block their threads: it hands the worker of each that lasts to another thread.
//
// Roles
//   worker   begins a section (blocking_word::begin), then asks must_be_woken()
//   monitor  looks, at the times that next_look() names, while is_on()
//
// While it is on the monitor wakes up every 50 µs at first, ever more seldom as long as no section lasts, and every
// millisecond in the end; a section is handed over when two looks have found it. So a series of short sections costs some
// thousand wake-ups a second and one system call at its beginning; a quiet runtime pays nothing, because the watch ends
// soon after the last section. blocking_word.hpp says why none is overlooked.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

namespace coir::detail {

class scheduler;

class section_watch {
public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit section_watch(scheduler& home);
    section_watch(section_watch const&) = delete;
    section_watch& operator=(section_watch const&) = delete;

    /// By a worker, behind blocking_word::begin(). True: the watch was out; the caller has to wake the monitor.
    [[nodiscard]] bool must_be_woken() noexcept {
        return !on_.load(std::memory_order_seq_cst) && !on_.exchange(true, std::memory_order_seq_cst);
    }

    // --- for the monitor -------------------------------------------------------------------------------------------
    bool is_on() const noexcept { return on_.load(std::memory_order_acquire); }
    /// In the past when the watch has just come on.
    time_point next_look() const noexcept { return next_look_; }
    /// Hands over what has lasted. Ends the watch if nothing has begun for a while.
    void look() noexcept;

private:
    bool look_at_all() noexcept;
    void end_unless_needed() noexcept;

    scheduler& home_;
    std::atomic<bool> on_{false};
    // Of the monitor alone:
    std::vector<std::uint64_t> seen_;  // the word of each worker
    std::chrono::nanoseconds pause_;
    time_point next_look_{};
    time_point last_change_{};
};

}  // namespace coir::detail
