// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

#include <sys/types.h>

namespace coir::detail {

/// Where a thread of this process is: "at crunch() (app+0x1234) < main (app+0x5678)" or "in a system call at ...", with
/// the callers as far as return addresses are found on its stack (a few may be stale). The thread goes on meanwhile. One
/// that computes is asked by a signal (SIGURG, as Go does: ignored by default and used by nobody else) for its program
/// counter; one inside a system call is not, because the call could be cut short by it. Throws std::bad_alloc.
std::string place_of_thread(pid_t thread);

/// Makes the process able to answer, once; leaves a handler of the program's own for SIGURG alone.
void install_place_handler() noexcept;

}  // namespace coir::detail
