// SPDX-License-Identifier: BSL-1.0
#pragma once

// Waiting, once, for a descriptor that belongs to somebody else (libpq, libcurl, hiredis).
//
// A copy of the descriptor (dup) gets a slot of its own, is registered as every other one, and is closed when the wait is
// over. So the runtime knows nothing of the descriptor before and after; two may wait for one number at the same time
// (a poller takes a number only once); and if its owner closes it meanwhile, no other file can come to stand in its place.
// Edges become levels: poll(2) is asked first, and what the poller says at the registration is news.
// Rejected: registering the foreign number itself, one-shot: two waits for one number would need one registration with
// a count of its users, and an owner who closes the number takes the registration away unseen.

#include "core/io/fd_slot.hpp"

#include <coir/core/base/clock.hpp>
#include <coir/core/task/suspend.hpp>

namespace coir::detail {

class foreign_descriptor {
public:
    /// Throws std::system_error if `fd` is not open, or no descriptor is left for the copy.
    foreign_descriptor(int fd, io_direction d);
    foreign_descriptor(foreign_descriptor const&) = delete;
    foreign_descriptor& operator=(foreign_descriptor const&) = delete;
    ~foreign_descriptor();

    /// Asks the kernel. Never waits. Throws std::system_error if `fd` is not open.
    static bool is_ready(int fd, io_direction d);

    /// The same for this one; if it is not, enlist() waits for the next event.
    bool is_ready();
    /// Registers it with the worker of the calling task. Throws std::system_error.
    void watch() { slot_.watch(); }
    /// After watch(): stands in line. False, and it does not, if there was an event.
    bool enlist(wait_node& node) noexcept { return slot_.direction(direction_).enlist(node); }
    void withdraw(wait_node& node) noexcept { slot_.direction(direction_).withdraw(node); }

    /// Waits for readiness, which is_ready() has denied. Suspends the calling task (blocks a thread). False when the deadline
    /// has passed. Throws `cancelled`, std::system_error.
    bool wait(clock::time_point deadline);

private:
    fd_slot& slot_;
    io_direction const direction_;
};

/// Waits until `fd` is ready in this direction, an error or hang-up included. As foreign_descriptor::wait().
bool wait_for_descriptor(int fd, io_direction d, clock::time_point deadline);

}  // namespace coir::detail
