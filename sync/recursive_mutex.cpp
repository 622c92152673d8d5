// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/recursive_mutex.hpp>

#include <coir/core/base/assert.hpp>
#include <coir/core/task/suspend.hpp>

namespace coir {

// owner_ is relaxed: it equals the caller only if the caller itself wrote it and has not cleared it since, whatever others
// write meanwhile. depth_ is handed on by mutex_.

void recursive_mutex::lock() {
    detail::waiter const* const self = &detail::this_waiter();
    if (owner_.load(std::memory_order_relaxed) != self) {
        mutex_.lock();
        owner_.store(self, std::memory_order_relaxed);
    }
    ++depth_;
}

bool recursive_mutex::try_lock() {
    detail::waiter const* const self = &detail::this_waiter();
    if (owner_.load(std::memory_order_relaxed) != self) {
        if (!mutex_.try_lock()) {
            return false;
        }
        owner_.store(self, std::memory_order_relaxed);
    }
    ++depth_;
    return true;
}

void recursive_mutex::unlock() {
    if (owner_.load(std::memory_order_relaxed) != &detail::this_waiter()) [[unlikely]] {
        detail::end_misused("recursive_mutex::unlock: whoever calls this has not locked it");
    }
    if (--depth_ == 0) {
        owner_.store(nullptr, std::memory_order_relaxed);
        mutex_.unlock();
    }
}

}  // namespace coir
