// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   shared_mutex   one writer or many readers, in the order of their coming

#include <coir/core/base/clock.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <shared_mutex>  // std::shared_lock

namespace coir {

/// std::shared_mutex for tasks and plain threads, with the members of std::shared_timed_mutex; std::unique_lock,
/// std::scoped_lock and std::shared_lock take it. Strictly in the order of coming: readers that come while a writer waits
/// stand behind it, and those that stand together get in together, so neither side starves. Hence a reader must not
/// lock a second time: a writer may stand between. Not owned by a task. Destroying a locked one is undefined.
///
/// Every lock is a suspension point: it suspends the calling task (blocks a thread), and throws `cancelled`, without the lock.
class shared_mutex {
public:
    shared_mutex() = default;
    shared_mutex(shared_mutex const&) = delete;
    shared_mutex& operator=(shared_mutex const&) = delete;

    /// For a writer: waits until nobody else is in.
    void lock() { lock_until(side::writer, detail::k_never); }
    /// Never waits. False if anybody is in.
    bool try_lock() noexcept { return try_lock_now(side::writer); }
    template <class Rep, class Period>
    bool try_lock_for(std::chrono::duration<Rep, Period> const& d) {
        return lock_until(side::writer, detail::deadline_after(clock::now(), d));
    }
    template <class Clock, class Duration>
    bool try_lock_until(std::chrono::time_point<Clock, Duration> const& t) {
        return lock_until(side::writer, detail::to_deadline(t));
    }
    /// Lets in who is next. Does not suspend.
    void unlock() noexcept;

    /// For a reader: waits until no writer is in or before it.
    void lock_shared() { lock_until(side::reader, detail::k_never); }
    /// Never waits. False if a writer is in or waits.
    bool try_lock_shared() noexcept { return try_lock_now(side::reader); }
    template <class Rep, class Period>
    bool try_lock_shared_for(std::chrono::duration<Rep, Period> const& d) {
        return lock_until(side::reader, detail::deadline_after(clock::now(), d));
    }
    template <class Clock, class Duration>
    bool try_lock_shared_until(std::chrono::time_point<Clock, Duration> const& t) {
        return lock_until(side::reader, detail::to_deadline(t));
    }
    /// The last reader lets in who is next. Does not suspend.
    void unlock_shared() noexcept;

private:
    enum class side : unsigned char { reader, writer };
    struct request;

    bool lock_until(side wanted, clock::time_point deadline);
    bool try_lock_now(side wanted) noexcept;
    bool enter_locked(side wanted, detail::task_base const* self) noexcept;
    bool may_enter_locked(side wanted) const noexcept;
    void let_in_locked(side wanted, std::uint64_t id) noexcept;
    void admit_locked(detail::wake_list& wakes) noexcept;
    static detail::wait_kind const k_waits;

    detail::spin_mutex lock_;  // guards the rest
    std::size_t readers_ = 0;
    bool writer_ = false;
    // The id of the task that was let in last, if it is in; 0 if a plain thread was, or it has left: for reports, which read it
    // without the lock. Of several readers only that one is known: to name them all, each would need an entry in a list.
    std::atomic<std::uint64_t> holder_{0};
    detail::wait_list waiters_;  // of requests; the first one, if it waits, cannot get in
};

}  // namespace coir
