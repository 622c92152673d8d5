// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   semaphore           n permits, handed out in the order of asking
//   bounded_semaphore   the same, and never more than n
//   semaphore_permit    gives one permit back when it goes

#include <coir/core/base/clock.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>

#include <atomic>
#include <cstddef>
#include <utility>

namespace coir {

class semaphore;

/// One permit, given back by the destructor. Move-only. Where that release() would throw (of a bounded_semaphore that got more
/// than it has given), the process ends: std::terminate().
class [[nodiscard]] semaphore_permit {
public:
    semaphore_permit() = default;
    semaphore_permit(semaphore_permit&& other) noexcept : from_(std::exchange(other.from_, nullptr)) {}
    /// Gives back what it held.
    semaphore_permit& operator=(semaphore_permit&& other) noexcept {
        semaphore_permit taken(std::move(other));
        std::swap(from_, taken.from_);
        return *this;
    }
    ~semaphore_permit() { release(); }

    /// Gives the permit back now. Nothing happens if there is none.
    void release() noexcept;

private:
    friend class semaphore;
    explicit semaphore_permit(semaphore& from) noexcept : from_(&from) {}
    semaphore* from_ = nullptr;
};

/// A counting semaphore. FIFO-fair: nobody overtakes a waiter. release() passes permits to the waiters itself, so a
/// waiter that is cancelled or timed out at that moment has not taken one.
class semaphore {
public:
    /// Throws std::invalid_argument if `permits` is negative.
    explicit semaphore(std::ptrdiff_t permits);
    semaphore(semaphore const&) = delete;
    semaphore& operator=(semaphore const&) = delete;

    /// Takes a permit; suspends the calling task (blocks a thread) until there is one. Throws `cancelled`, and then has none.
    void acquire() { acquire_until(detail::k_never); }
    /// acquire(), for a scope.
    semaphore_permit acquire_scoped() {
        acquire();
        return semaphore_permit(*this);
    }
    /// Never waits. False if there is none, or others wait for one.
    bool try_acquire() noexcept;
    /// As acquire(), for at most `d`, or until `t`. False if there was none by then.
    template <class Rep, class Period>
    bool try_acquire_for(std::chrono::duration<Rep, Period> const& d) {
        return acquire_until(detail::deadline_after(clock::now(), d));
    }
    template <class Clock, class Duration>
    bool try_acquire_until(std::chrono::time_point<Clock, Duration> const& t) {
        return acquire_until(detail::to_deadline(t));
    }

    /// Gives `n` permits back. From anywhere; does not suspend. Throws std::invalid_argument if `n` is negative.
    void release(std::ptrdiff_t n = 1);

    /// How many permits are free now.
    std::ptrdiff_t available() const noexcept;

protected:
    semaphore(std::ptrdiff_t permits, std::ptrdiff_t bound);

private:
    bool acquire_until(clock::time_point deadline);
    bool take_one() noexcept;  // under lock_

    detail::spin_mutex lock_;
    std::atomic<std::ptrdiff_t> permits_;  // written under lock_; 0 while somebody waits
    std::ptrdiff_t taken_ = 0;             // under lock_
    bool const bounded_;
    detail::wait_list waiters_;  // under lock_
};

/// A semaphore that notices a permit which was never taken: release() beyond the initial number throws std::logic_error and
/// changes nothing.
class bounded_semaphore : public semaphore {
public:
    explicit bounded_semaphore(std::ptrdiff_t permits) : semaphore(permits, permits) {}
};

}  // namespace coir
