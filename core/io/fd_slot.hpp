// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the runtime knows about one open descriptor: whether it is ready, and who waits for that.
//
// A descriptor is registered once, edge-triggered, for reading and writing, with the poller of the worker on which it was
// first waited for. Its slot is named in the events by index and generation. Slots are reused, never freed.
//
// Each direction has a word:
//   k_ready    the last that is known: an operation may succeed. Set to begin with, so that the first one just tries.
//   k_hung_up  hang-up, peer's end or error was seen: k_ready is not cleared for a short read any more (read on, to the
//              end), only when nothing was there at all (somebody has opened the pipe again, or has fetched the error)
//   k_waited   somebody stands in the list
//   tick       counts the events; generation: that of the slot
//
// Invariants
//   1. k_ready is cleared only by compare-exchange against the word as it was before the system call that came back
//      empty or short: an event in between has changed the tick, and k_ready stays.
//   2. A waiter stands in the list, and has k_waited set, before it looks at k_ready for the last time; an event sets
//      k_ready before it looks at k_waited. Both by read-modify-write on the same word: one of the two sees the other.
//   3. An event of an earlier generation changes nothing: the generation is part of the word that it has to swap, and is
//      compared once more under the lock, before anybody is chosen.
//   4. The descriptor is closed only when nobody is inside a system call on it (uses_): its number cannot be taken by
//      another file under an operation that still runs.

#include "core/base/fault.hpp"

#include <coir/core/base/clock.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>

#include <atomic>
#include <cstdint>

namespace coir::detail {

class reactor;

enum class io_direction : std::uint8_t { read, write };

/// What ended a wait for readiness.
enum class io_wait_result : std::uint8_t { ready, timed_out, closed };

class io_readiness {
public:
    static constexpr std::uint32_t k_ready = 1;
    static constexpr std::uint32_t k_hung_up = 2;
    static constexpr std::uint32_t k_waited = 4;

    std::uint32_t snapshot() const noexcept { return word_.load(std::memory_order_acquire); }

    /// An operation found nothing, or no room, since `seen` was taken.
    void clear_ready(std::uint32_t seen) noexcept {
        if ((seen & k_ready) != 0) {
            word_.compare_exchange_strong(seen, seen & ~(k_ready | k_hung_up), std::memory_order_relaxed);
        }
    }
    /// An operation came back short since `seen` was taken.
    void clear_ready_unless_hung_up(std::uint32_t seen) noexcept {
        if ((seen & k_hung_up) == 0) {
            clear_ready(seen);
        }
    }

    /// By the poller: an event of this generation.
    void signal(std::uint16_t generation, bool hung_up, wake_list& wakes) noexcept;

    /// Stands in line unless ready. Throws a pending or arriving cancellation.
    io_wait_result wait(clock::time_point deadline);

    /// For a wait in several places: stands in line unless ready or closed; leaves the line.
    bool enlist(wait_node& node) noexcept;
    void withdraw(wait_node& node) noexcept;

    /// A new descriptor moves in (everybody has left), or the old one is being closed (everybody is woken).
    void reset(std::uint16_t generation) noexcept;
    void close(wake_list& wakes) noexcept;

private:
    static constexpr std::uint32_t k_closed = 8;
    static constexpr std::uint32_t k_one_tick = 16;
    static constexpr std::uint32_t k_tick_mask = 0xfff0;
    static constexpr unsigned k_generation_shift = 16;

    std::atomic<std::uint32_t> word_{k_ready};
    spin_mutex lock_;
    wait_list waiters_;
};

class fd_slot {
public:
    /// A slot for this open, non-blocking descriptor, which it owns from now on. A quiet one stays registered without being a
    /// reason to poll for, and to believe that a runtime goes on, but between expect() and expect_no_more(). Throws std::bad_alloc.
    static fd_slot& open(int fd, bool quiet = false);
    /// The slot that an event names; null if it never existed.
    static fd_slot* find(std::uint32_t index) noexcept;

    int fd() const noexcept { return fd_; }
    std::uint64_t event_name() const noexcept { return std::uint64_t{generation_} << 32 | index_; }

    io_readiness& direction(io_direction d) noexcept { return d == io_direction::read ? read_ : write_; }

    /// True, and then exit() must follow, unless the slot is being closed.
    bool enter() noexcept;
    void exit() noexcept;

    /// Wakes everybody who waits; the descriptor is closed as soon as the last one has left. Once only.
    void close() noexcept;
    bool is_closing() const noexcept { return (uses_.load(std::memory_order_acquire) & k_closing) != 0; }

    /// Waits in this direction; registers the descriptor first if it is not. Between enter() and exit(). Returns ready
    /// at once on a plain thread when poll(2) says so. Throws `cancelled`, and std::system_error if it cannot be registered.
    io_wait_result wait(io_direction d, clock::time_point deadline);

    /// Registers it, for a wait that is not made by wait(). In a task, between enter() and exit(). Throws std::system_error.
    void watch();

    bool is_quiet() const noexcept { return quiet_; }
    /// In a quiet one, after watch(), in the same runtime.
    void expect() noexcept;
    void expect_no_more() noexcept;

    void signal(std::uint32_t generation, std::uint32_t events, wake_list& wakes) noexcept;

#if COIR_FAULT_POINTS
    /// Whoever waits for readiness that is there already hears of it once more. Between enter() and exit().
    void announce_again() noexcept;
#endif

private:
    friend class fd_slot_table;

    void register_with_this_worker();
    io_wait_result poll_on_this_thread(io_direction d, clock::time_point deadline);
    void close_now() noexcept;

    static constexpr std::uint32_t k_closing = 1u << 31;

    io_readiness read_;
    io_readiness write_;
    std::atomic<std::uint32_t> uses_{0};
    std::atomic<std::uint32_t> runtime_number_{0};  // of the runtime with one of whose pollers it is registered
    spin_mutex registration_lock_;
    reactor* registered_with_ = nullptr;
    int fd_ = -1;
    std::uint32_t index_ = 0;
    std::uint16_t generation_ = 0;
    bool quiet_ = false;
    fd_slot* next_free_ = nullptr;
};

}  // namespace coir::detail
