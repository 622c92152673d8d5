// SPDX-License-Identifier: BSL-1.0
#pragma once

// How an operation on a non-blocking descriptor is carried out: try, and wait where trying is known to be in vain.
//
// A caller stands between fd_slot::enter() and fd_slot::exit() from before the first attempt to after the last, so that
// the descriptor's number stays its own.

#include "core/base/fault.hpp"
#include "core/io/fd_slot.hpp"

#include <coir/core/base/errno_of.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <type_traits>

namespace coir::detail {

/// What became of an operation.
struct io_outcome {
    std::ptrdiff_t value;  ///< of the system call; negative on failure
    int error;             ///< 0, an errno, ETIMEDOUT past the deadline, ECANCELED when the slot was closed meanwhile
    std::uint32_t seen;    ///< the readiness before the last attempt, for io_readiness::clear_ready()
};

/// attempt(fd), unless a fault point has it interrupted, or not ready although it may be.
template <class Attempt>
std::invoke_result_t<Attempt&, int> attempt_once(fd_slot& slot, [[maybe_unused]] io_direction direction,
                                                 Attempt& attempt) {
    bool const reads = direction == io_direction::read;
    if ((reads && COIR_FAULT(read_interrupted)) || (!reads && COIR_FAULT(write_interrupted))) {
        return {-1, EINTR};
    }
#if COIR_FAULT_POINTS
    if ((reads && COIR_FAULT(read_not_ready)) || (!reads && COIR_FAULT(write_not_ready))) {
        slot.announce_again();
        return {-1, EAGAIN};
    }
#endif
    return attempt(slot.fd());
}

/// Calls `attempt(fd)`, which is one errno_of(), until it has something else to say than "not now". Suspends the
/// calling task (blocks a thread) only while the descriptor is known not to be ready. Throws `cancelled` while it
/// waits.
template <class Attempt>
io_outcome perform(fd_slot& slot, io_direction direction, clock::time_point deadline, Attempt attempt) {
    io_readiness& readiness = slot.direction(direction);
    // After a wait the attempt is made whatever the word says: a plain thread waits by poll(2), which leaves no trace
    // there.
    for (bool must_try = false;;) {
        std::uint32_t const seen = readiness.snapshot();
        if (must_try || (seen & io_readiness::k_ready) != 0) {
            auto const result = attempt_once(slot, direction, attempt);
            if (result) {
                return {static_cast<std::ptrdiff_t>(result.value), 0, seen};
            }
            if (result.error == EINTR) {
                must_try = true;
                continue;
            }
            if (result.error != EAGAIN && result.error != EWOULDBLOCK) {
                return {-1, slot.is_closing() ? ECANCELED : result.error, seen};
            }
            readiness.clear_ready(seen);
        }
        try {
            switch (slot.wait(direction, deadline)) {
            case io_wait_result::ready:
                must_try = true;
                break;
            case io_wait_result::timed_out:
                return {-1, ETIMEDOUT, seen};
            case io_wait_result::closed:
                return {-1, ECANCELED, seen};
            }
        } catch (std::system_error const& cannot_register) {
            return {-1, cannot_register.code().value(), seen};
        }
    }
}

/// The same for one attempt, without waiting: EAGAIN comes back.
template <class Attempt>
io_outcome perform_now(fd_slot& slot, io_direction direction, Attempt attempt) {
    for (;;) {
        auto const result = attempt_once(slot, direction, attempt);
        if (result || result.error != EINTR) {
            return {static_cast<std::ptrdiff_t>(result.value), result.error, 0};
        }
    }
}

}  // namespace coir::detail
