// SPDX-License-Identifier: BSL-1.0
#pragma once

// The C++ runtime keeps the stack of caught exceptions and the count of uncaught ones per thread. A fiber that suspends
// inside a catch block, or in a destructor while its stack unwinds, must take both along, or `throw;` rethrows another
// task's exception. Both libstdc++ and libc++abi lay the record out as below (Itanium C++ ABI, 2.2.2).
//
// The address of a thread's record never changes, so a thread looks it up once (thread_eh_state) and a switch costs two
// loads and two stores; __cxa_get_globals itself is declared constant and would be cached across the switch.

#include <coir/core/base/config.hpp>

namespace coir::detail {

struct eh_state {
    void* caught_exceptions = nullptr;
    unsigned int uncaught_exceptions = 0;
};

/// The calling thread's record. To be called once per thread, outside of any fiber.
eh_state* thread_eh_state() noexcept;

}  // namespace coir::detail
