// SPDX-License-Identifier: BSL-1.0
#pragma once

// A worker's poller: one epoll instance, and an eventfd through which others interrupt it.
//
// Roles: the owning worker blocks in it; any thread interrupts, registers and removes descriptors; any worker may
// poll it without blocking when the owner is stuck (an edge-triggered event is handed out once).

#include "core/io/fd_slot.hpp"

#include <coir/core/base/clock.hpp>
#include <coir/core/base/errno_of.hpp>

#include <atomic>
#include <cstddef>
#include <memory>

struct epoll_event;
struct pollfd;

namespace coir::detail {

class reactor {
public:
    /// Throws std::system_error when the process is out of descriptors.
    reactor();
    reactor(reactor const&) = delete;
    reactor& operator=(reactor const&) = delete;
    ~reactor();

    /// Registers the slot's descriptor for both directions. Throws std::system_error.
    void add(fd_slot& slot);
    void remove(fd_slot const& slot) noexcept;
#if COIR_FAULT_POINTS
    /// What is ready now is an event once more: for a fault that has kept it from being used. Any thread.
    void announce_again(fd_slot const& slot) noexcept;
#endif

    /// Fetches what has happened, without blocking; dispatch() must follow.
    void poll() noexcept;
    /// The same, and blocks until there is an event, an interrupt, or the deadline.
    void wait_until(clock::time_point deadline) noexcept;
    /// Blocks until there is an event or an interrupt, or the deadline (on the steady clock) has passed, and fetches
    /// nothing. False if there is nothing to fetch. Any thread.
    bool wait_until_readable(clock::time_point deadline) noexcept;
    /// The same of several reactors, by their descriptor() and POLLIN; the results are in `pollers` as poll() leaves them.
    static bool wait_for_any(pollfd* pollers, std::size_t count, clock::time_point deadline) noexcept;
    int descriptor() const noexcept {
        return epoll_;
    }
    /// Wakes everybody whose descriptor became ready. Returns how many events there were. Apart from the fetching,
    /// because a worker must be known to be awake before it wakes others.
    std::size_t dispatch() noexcept;

    /// poll() and dispatch() in place of the owner, who is kept by a task. An interrupt that it finds stays one for the
    /// owner. Any thread; `events` has room for k_batch.
    std::size_t poll_for_owner(epoll_event* events) noexcept;

    /// Ends the present or the next wait_until() of the owner. Any thread.
    void interrupt() noexcept;

    /// While somebody waits for a quiet slot: it counts as any other. Any thread.
    void expect() noexcept {
        count_.fetch_add(1, std::memory_order_relaxed);
    }
    void expect_no_more() noexcept {
        count_.fetch_sub(1, std::memory_order_relaxed);
    }

    /// Is there anything to poll for?
    bool has_descriptors() const noexcept {
        return count_.load(std::memory_order_relaxed) != 0;
    }

    // One batch of events. Each may put a task into the local queue, which grows as needed.
    static constexpr int k_batch = 256;

private:
    syscall_result<int> control(int operation, fd_slot const& slot) noexcept;

    int epoll_ = -1;
    int wake_ = -1;
    int fetched_ = 0;
    std::atomic<std::size_t> count_{0};
    std::unique_ptr<epoll_event[]> events_;
};

}  // namespace coir::detail
