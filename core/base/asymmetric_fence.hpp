// SPDX-License-Identifier: BSL-1.0
#pragma once

// A full fence whose cost lies on one side of a handshake.
//
//   often     a.store(x, fenced(order)); light_fence(); b.load(fenced(order))
//   seldom    b.store(y, fenced(order)); heavy_fence(); a.load(fenced(order))
//
// As with two full fences, at least one side sees the other's store. light_fence() is nothing but a barrier for the
// compiler; heavy_fence() has the kernel run a full fence on every core that runs a thread of this process
// (membarrier(2), PRIVATE_EXPEDITED): a few microseconds. Where the kernel refuses that, both are full fences. Under
// ThreadSanitizer the operations are seq_cst and the fences nothing: see atomic.hpp.

#include <coir/core/base/atomic.hpp>

namespace coir::detail {

#if defined(COIR_MODEL)

inline void light_fence(memory_order order = memory_order_seq_cst) noexcept {
    full_fence(order);
}
inline void heavy_fence(memory_order order = memory_order_seq_cst) noexcept {
    full_fence(order);
}

#elif COIR_TSAN

inline void light_fence(memory_order = memory_order_seq_cst) noexcept {}
inline void heavy_fence(memory_order = memory_order_seq_cst) noexcept {}

#else

extern atomic<bool> light_fence_is_full;  // until the kernel has been asked, and if it refused

/// Asks the kernel for its help. Idempotent. To be called before the first light_fence().
void prepare_asymmetric_fences() noexcept;

COIR_ALWAYS_INLINE void light_fence(memory_order = memory_order_seq_cst) noexcept {
    if (light_fence_is_full.load(memory_order_relaxed)) [[unlikely]] {
        full_fence();
    }
    asm volatile("" ::: "memory");
}
void heavy_fence(memory_order order = memory_order_seq_cst) noexcept;

#endif

#if defined(COIR_MODEL) || COIR_TSAN
inline void prepare_asymmetric_fences() noexcept {}
#endif

}  // namespace coir::detail
