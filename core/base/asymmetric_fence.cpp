// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/asymmetric_fence.hpp>

#if !COIR_TSAN

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace coir::detail {
namespace {

bool membarrier(int command) noexcept {
    return ::syscall(SYS_membarrier, command, 0, 0) == 0;
}

}  // namespace

constinit atomic<bool> light_fence_is_full{true};

void prepare_asymmetric_fences() noexcept {
    static bool const available = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    if (available && light_fence_is_full.load(memory_order_relaxed)) {
        light_fence_is_full.store(false, memory_order_relaxed);
    }
}

void heavy_fence(memory_order) noexcept {
    // Never without asking: that another thread has just found the kernel willing may not be seen here yet.
    if (!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) {
        full_fence();
    }
}

}  // namespace coir::detail

#endif
