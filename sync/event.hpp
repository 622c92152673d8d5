// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   event   a flag that can be waited for

#include <coir/core/base/clock.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>

#include <atomic>

namespace coir {

/// A flag. set() wakes everybody who waits at that moment, even if clear() follows at once.
class event {
public:
    event() = default;
    event(event const&) = delete;
    event& operator=(event const&) = delete;

    /// From anywhere; do not suspend.
    void set() noexcept;
    void clear() noexcept;
    bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }

    /// Waits until the event is set; returns at once if it is. Suspends the calling task (blocks a thread). Throws
    /// `cancelled`.
    void wait() { wait_with_deadline(detail::k_never); }
    /// The same for at most `d`, or until `t`. False if it was not set by then.
    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> const& d) {
        return wait_with_deadline(detail::deadline_after(clock::now(), d));
    }
    template <class Clock, class Duration>
    bool wait_until(std::chrono::time_point<Clock, Duration> const& t) {
        return wait_with_deadline(detail::to_deadline(t));
    }

    // For the library: is it set, so that whoever hears yes may destroy it at once?
    bool try_wait() noexcept;
    // For the library: one who waits in several places stands in line, unless the event is set, and leaves the line.
    bool enlist(detail::wait_node& node) noexcept;
    void withdraw(detail::wait_node& node) noexcept;

private:
    bool wait_with_deadline(clock::time_point deadline);

    detail::spin_mutex lock_;
    std::atomic<bool> set_{false};  // written under lock_
    detail::wait_list waiters_;     // under lock_
};

}  // namespace coir
