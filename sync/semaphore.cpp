// SPDX-License-Identifier: BSL-1.0
#include <coir/sync/semaphore.hpp>

#include <mutex>
#include <stdexcept>

namespace coir {
namespace {

constexpr detail::wait_kind k_waits_for_semaphore{"a semaphore"};

}  // namespace

void semaphore_permit::release() noexcept {
    if (semaphore* const from = std::exchange(from_, nullptr)) {
        from->release();  // of a permit that was taken: cannot throw
    }
}

semaphore::semaphore(std::ptrdiff_t permits) : permits_(permits), bounded_(false) {
    if (permits < 0) {
        throw std::invalid_argument("coir::semaphore: the number of permits must not be negative");
    }
}

semaphore::semaphore(std::ptrdiff_t permits, std::ptrdiff_t) : permits_(permits), bounded_(true) {
    if (permits < 0) {
        throw std::invalid_argument("coir::bounded_semaphore: the number of permits must not be negative");
    }
}

bool semaphore::take_one() noexcept {
    std::ptrdiff_t const free = permits_.load(std::memory_order_relaxed);
    if (free == 0) {
        return false;
    }
    permits_.store(free - 1, std::memory_order_relaxed);
    ++taken_;
    return true;
}

bool semaphore::try_acquire() noexcept {
    if (permits_.load(std::memory_order_relaxed) == 0) {
        return false;
    }
    std::lock_guard const guard(lock_);
    return take_one();
}

bool semaphore::acquire_until(clock::time_point deadline) {
    detail::task_base* const self = detail::throw_if_cancel_pending();
    if (try_acquire()) {
        return true;
    }
    detail::wait_point wait(self, deadline);
    wait.is_for(k_waits_for_semaphore, this);
    {
        std::lock_guard const guard(lock_);
        if (take_one()) {
            return true;
        }
        waiters_.push_back(wait.node);
    }
    if (wait.suspend() == detail::wake_reason::notified) {
        lock_
            .wait_until_released();  // by release(), which has counted it as taken: the semaphore may be destroyed at once
        return true;
    }
    {
        std::lock_guard const guard(lock_);
        waiters_.erase(wait.node);
    }
    wait.throw_if_cancelled();
    return false;
}

void semaphore::release(std::ptrdiff_t n) {
    if (n < 0) {
        throw std::invalid_argument("coir::semaphore::release: the number of permits must not be negative");
    }
    detail::wake_list wakes;
    {
        std::lock_guard const guard(lock_);
        if (bounded_ && n > taken_) {
            throw std::logic_error("coir::bounded_semaphore: released more often than acquired");
        }
        taken_ -= n;
        for (; n != 0 && waiters_.claim_one(wakes); --n) {
            ++taken_;
        }
        if (n != 0) {
            permits_.store(permits_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
        }
    }
    wakes.wake_all();
}

std::ptrdiff_t semaphore::available() const noexcept {
    return permits_.load(std::memory_order_relaxed);
}

}  // namespace coir
