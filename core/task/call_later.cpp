// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/call_later.hpp>

#include "core/task/stack_switch_impl.hpp"

#include <exception>

namespace coir {

void detail::call_start::report_failure() noexcept {
    static_cast<void>(try_take());  // without memory for its timer it has not begun, and never will
    report_unhandled_here(std::current_exception());
}

bool call_handle::cancel() const {
    if (!start_->try_take()) {
        return false;
    }
    start_->cancelled.store(true, std::memory_order_release);
    caller_.cancel_noexcept("the call was taken back");  // ends its sleep, if it has begun that
    return true;
}

}  // namespace coir
