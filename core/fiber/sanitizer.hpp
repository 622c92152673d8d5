// SPDX-License-Identifier: BSL-1.0
#pragma once

// What AddressSanitizer and ThreadSanitizer must be told of every switch; empty in other builds.
//
// ASan: the fake stack belongs to the fiber. A fiber that never comes back passes no save slot, which frees it.
// TSan: the switch call must come right before the jump, from a function that TSan does not instrument, or its shadow
// call stack underflows.

#include <coir/core/base/config.hpp>

#include <cstddef>

#if COIR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if COIR_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace coir::detail {

#if COIR_ASAN || COIR_TSAN
class fiber_sanitizer_state {
public:
    /// For a fiber with a stack of its own.
    void attach([[maybe_unused]] void const* bottom, [[maybe_unused]] std::size_t size) noexcept {
#if COIR_ASAN
        bottom_ = bottom;
        size_ = size;
#endif
#if COIR_TSAN
        tsan_fiber_ = __tsan_create_fiber(0);
#endif
    }

    /// For the fiber that is a thread's own stack.
    void attach_to_thread() noexcept {
#if COIR_TSAN
        tsan_fiber_ = __tsan_get_current_fiber();
#endif
    }

    /// Before the memory of a fiber that will not run again is given back; called from another fiber.
    void detach() noexcept {
#if COIR_TSAN
        if (tsan_fiber_ != nullptr) {
            __tsan_destroy_fiber(tsan_fiber_);
            tsan_fiber_ = nullptr;
        }
#endif
    }

    /// On the old stack, right before the jump. `dying`: this fiber does not come back.
    COIR_ALWAYS_INLINE void leave_for([[maybe_unused]] fiber_sanitizer_state& next,
                                      [[maybe_unused]] bool dying) noexcept {
#if COIR_ASAN
        __sanitizer_start_switch_fiber(dying ? nullptr : &fake_stack_, next.bottom_, next.size_);
#endif
#if COIR_TSAN
        __tsan_switch_to_fiber(next.tsan_fiber_, 0);
#endif
    }

    /// On the new stack, right after the jump: `this` is the fiber that now runs, `previous` the one that was left.
    COIR_ALWAYS_INLINE void arrive_from([[maybe_unused]] fiber_sanitizer_state& previous) noexcept {
#if COIR_ASAN
        // Also learns the bounds of a thread's own stack, which nobody knew before it was left.
        __sanitizer_finish_switch_fiber(fake_stack_, &previous.bottom_, &previous.size_);
#endif
    }

private:
#if COIR_ASAN
    void* fake_stack_ = nullptr;
    void const* bottom_ = nullptr;
    std::size_t size_ = 0;
#endif
#if COIR_TSAN
    void* tsan_fiber_ = nullptr;
#endif
};
#else
struct fiber_sanitizer_state {
    void attach(void const*, std::size_t) noexcept {}
    void attach_to_thread() noexcept {}
    void detach() noexcept {}
    void leave_for(fiber_sanitizer_state&, bool) noexcept {}
    void arrive_from(fiber_sanitizer_state&) noexcept {}
};
#endif

}  // namespace coir::detail
