// SPDX-License-Identifier: BSL-1.0
#pragma once

// How many threads of the process can still do something on their own, so that a runtime whose tasks all wait can tell a
// deadlock from a pause.

#include <cstddef>

namespace coir::detail {

/// While it lives, the calling thread blocks without a time limit until another thread wakes it, so that it wakes nobody
/// itself.
class wakes_nobody {
public:
    wakes_nobody() noexcept;
    wakes_nobody(wakes_nobody const&) = delete;
    wakes_nobody& operator=(wakes_nobody const&) = delete;
    ~wakes_nobody();
};

/// Are there threads in the process besides `accounted_for` ones and those that wake nobody? Also true when the kernel
/// does not say.
bool other_threads_exist(std::size_t accounted_for) noexcept;

}  // namespace coir::detail
