// SPDX-License-Identifier: BSL-1.0
#pragma once

// How many threads of the process can still do something on their own, so that a runtime whose tasks all wait can tell a
// deadlock from a pause.

#include <cstddef>

namespace coir::detail {

/// While it lives, the calling thread blocks without a time limit until another thread wakes it, so that it wakes nobody
/// itself. Whoever gives it something to do may destroy this in its place.
class wakes_nobody {
public:
    wakes_nobody() noexcept;
    wakes_nobody(wakes_nobody const&) = delete;
    wakes_nobody& operator=(wakes_nobody const&) = delete;
    ~wakes_nobody();
};

/// What the threads of the process can do besides `accounted_for` ones and those that wake nobody.
enum class other_threads {
    none,        ///< there are no others, and all of these sleep
    just_woken,  ///< there are no others, but one of these has been woken and will go on in a moment
    exist,       ///< also when the kernel does not say
};

other_threads look_for_other_threads(std::size_t accounted_for) noexcept;

}  // namespace coir::detail
