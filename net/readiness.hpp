// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   wait_readable(fd), wait_writable(fd)           waits for a descriptor that belongs to another library
//   wait_readable_for(fd, d), wait_writable_for    the same for at most d
// For select(): on_readable and on_writable, in <coir/sync/select.hpp>.

#include <coir/core/base/clock.hpp>

namespace coir::net {

namespace detail {
bool wait_for_readiness(int fd, bool writes, clock::time_point deadline);
}

/// Waits until a read from `fd` would not block: there is something, its end, or an error. Once, by level: data that is
/// there already counts. The runtime forgets the descriptor afterwards; it may be blocking or not, several may wait for
/// it, and closing it ends no wait. Files that are always ready are. Suspends the calling task (blocks a thread).
/// Throws `cancelled`; std::system_error if `fd` is not open.
inline void wait_readable(int fd) {
    detail::wait_for_readiness(fd, false, clock::time_point::max());
}
/// The same for a write.
inline void wait_writable(int fd) {
    detail::wait_for_readiness(fd, true, clock::time_point::max());
}

/// The same for at most `d`. False if it was not ready by then.
template <class Rep, class Period>
bool wait_readable_for(int fd, std::chrono::duration<Rep, Period> const& d) {
    return detail::wait_for_readiness(fd, false, coir::detail::deadline_after(clock::now(), d));
}
template <class Rep, class Period>
bool wait_writable_for(int fd, std::chrono::duration<Rep, Period> const& d) {
    return detail::wait_for_readiness(fd, true, coir::detail::deadline_after(clock::now(), d));
}

}  // namespace coir::net
