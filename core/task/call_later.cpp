// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/call_later.hpp>

namespace coir {

bool call_handle::cancel() const {
    if (!start_->try_take()) {
        return false;
    }
    start_->cancelled.store(true, std::memory_order_release);
    caller_.cancel("the call was taken back");  // ends its sleep, if it has begun that
    return true;
}

}  // namespace coir
