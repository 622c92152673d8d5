// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace coir::detail {

/// Waiting for another thread to leave a few instructions: first spins, then offers the core, then naps.
class back_off {
public:
    /// Waits a little, longer with every call.
    void pause() noexcept;

private:
    int round_ = 0;
};

}  // namespace coir::detail
