// SPDX-License-Identifier: BSL-1.0
#pragma once

// What happens when every worker of a runtime sleeps and nothing is in any queue, so that no task can go on by itself:
//   1. tasks that wait for just that go on (testing::wait_all_blocked);
//   2. otherwise, if time is virtual, it jumps to the earliest deadline, and all timers that are due then fire.
// Nobody has to look for it but the worker that is about to sleep, and only in a runtime that is watched: one with
// virtual time, or one in which somebody waits for the standstill.
//
// Roles: workers that park; tasks that wait for the standstill; whoever does work outside for a task (a job of an
// executor), which holds the jump back.
//
// Invariants, of a runtime with virtual time
//   1. A worker leaves its sleep (idle::leave_park, idle::cancel_park) under lock_ only. So while the lock is held, and idle counts every
//      worker as asleep, no task of this runtime runs, and none can start to.
//   2. A sleeping worker does not fetch events: it waits until its poller is readable, leaves the sleep, and fetches
//      then. So an event or an interrupt that is under way to it is seen under the lock, as a readable poller.
//   3. outside_ counts work that was handed out and whose result has not been delivered: it goes down after the
//      delivery, and the worker that may have slept over it is then interrupted.
// Hence time never passes a task that could still have gone on at the old time. What the world outside does (other
// processes, threads of the program's own) is not seen: for descriptors, the pollers are given a moment.
//
// Trio's autojump clock and Tokio's paused one do the same for one thread; a jump over several workers needs 1 and 2.

#include <coir/core/base/clock.hpp>
#include <coir/core/task/future.hpp>

#include <atomic>
#include <cstddef>
#include <mutex>
#include <vector>

namespace coir::detail {

class scheduler;

class standstill {
public:
    standstill(scheduler& home, bool virtual_time, bool fixed_start);
    standstill(standstill const&) = delete;
    standstill& operator=(standstill const&) = delete;

    bool has_virtual_time() const noexcept { return virtual_; }

    /// Now, on this runtime's clock. Any thread.
    clock::time_point now() const noexcept {
        return virtual_ ? clock::time_point(clock::duration(now_.load(std::memory_order_acquire)))
                        : std::chrono::steady_clock::now();
    }

    /// Must a worker look at it before it sleeps?
    bool is_watched() const noexcept { return virtual_ || watchers_.load(std::memory_order_seq_cst) != 0; }

    /// Held by a worker that leaves its sleep, or does not go through with it, in a watched runtime.
    std::mutex& lock() noexcept { return lock_; }

    enum class next_step { sleep, sleep_for_a_while, wake_watchers, jump, break_deadlock };
    /// Under the lock, by a worker that is about to sleep: what it has to do instead, if anything. With `jump` the time has
    /// been set. With `sleep_for_a_while` it has to ask again: threads that do not belong to the runtime may be on their way
    /// to a sleep of their own.
    next_step decide() noexcept;

    /// Without the lock, after `jump`: fires what is due.
    std::size_t fire_due() noexcept;
    /// Without the lock, after `wake_watchers`.
    void wake_watchers() noexcept;

    /// Ready at the next standstill. Throws std::bad_alloc.
    future<void> next();

    void outside_work_begins() noexcept {
        outside_.fetch_add(1, std::memory_order_relaxed);
        outside_has_a_part();
    }
    void outside_work_ends() noexcept;
    bool has_outside_work() const noexcept { return outside_.load(std::memory_order_acquire) != 0; }

    /// What other threads do for this runtime is not replayed by its seed.
    void outside_has_a_part() noexcept { outside_had_a_part_.store(true, std::memory_order_relaxed); }
    bool outside_had_a_part() const noexcept { return outside_had_a_part_.load(std::memory_order_relaxed); }

private:
    bool everybody_sleeps() noexcept;
    bool something_is_under_way() noexcept;
    clock::time_point earliest_deadline() const noexcept;

    scheduler& home_;
    bool const virtual_;
    std::atomic<clock::rep> now_;
    std::atomic<std::size_t> watchers_{0};
    std::atomic<std::size_t> outside_{0};
    std::atomic<bool> outside_had_a_part_{false};
    std::mutex lock_;
    std::vector<promise<void>> waiting_;  // under lock_
};

}  // namespace coir::detail
