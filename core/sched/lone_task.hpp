// SPDX-License-Identifier: BSL-1.0
#pragma once

// May others take the only task of a worker's queue?
//
// A task that wakes another one and then waits hands its worker on to it. A thief that is faster turns that into a switch between
// two cores, and the next wake-up into one back: two tasks that wake each other in turn then take three times as long. A
// task that wakes another one and computes should be helped. Which of the two it was is seen only afterwards: a theft was for
// nothing if soon after it
//   - the worker has nothing to do: it would have come to the task itself; or
//   - the thief has nothing to do, and the worker wakes somebody again: waking a thief takes longer than what there is to do.
// Then the worker keeps the only task of its queue for a while, until it spawns one: it wakes nobody for such a one, and
// thieves look past it.
//
// Roles
//   worker   judges when its queue is empty, and when it has pushed the only task
//   thief    says when it takes something, and when it has nothing to do after that
//   monitor  ends the rule for a worker that has not looked around for a tick: its task does compute
//
// Invariant: a task that is kept lies in the queue of a worker that is up and runs another task. That one suspends, or ends,
// and the worker takes what it kept; or it does not, and the monitor comes. So nothing is kept for good.
//
// Rejected: a place of its own for the task that was woken last, which nobody may steal from (Go's, for some microseconds, and
// Tokio's): it runs before older ones, and behind a task that computes it waits always.

#include <atomic>
#include <chrono>

namespace coir::detail {

class lone_task {
public:
    using time_point = std::chrono::steady_clock::time_point;

    // --- worker --------------------------------------------------------------------------------------------------------
    bool is_kept() const noexcept { return kept_.load(std::memory_order_relaxed); }

    /// Its queue is empty.
    void judge_by_idleness() noexcept { judge(taken_); }
    /// It has pushed the only task, and does not keep it.
    void judge_by_wake() noexcept { judge(thief_idle_); }

    /// Now and then.
    void forget_in_time() noexcept {
        if (is_kept() && now() > kept_until_) {
            give_up();
        }
    }

    // --- worker, monitor -----------------------------------------------------------------------------------------------
    /// The worker has searched, or pushed something that is not to wait for its own turn: a new task. The monitor wakes
    /// somebody who looks, afterwards.
    void give_up() noexcept {
        if (is_kept()) [[unlikely]] {
            kept_.store(false, std::memory_order_relaxed);
        }
    }

    // --- thief ---------------------------------------------------------------------------------------------------------
    /// Before it takes: the worker may judge at once. Returns when that was.
    time_point is_about_to_be_taken() noexcept {
        auto const when = now();
        taken_.store(when, std::memory_order_relaxed);
        return when;
    }
    /// The thief of a task that was taken then has nothing to do.
    void thief_is_idle(time_point taken) noexcept {
        if (auto const when = now(); when - taken < k_soon) {
            thief_idle_.store(when, std::memory_order_relaxed);
        }
    }

private:
    // What a task costs that goes to another core.
    static constexpr auto k_soon = std::chrono::microseconds(20);
    // Guessed: one theft in some 10,000 switches.
    static constexpr auto k_keep_for = std::chrono::milliseconds(2);

    static time_point now() noexcept { return std::chrono::steady_clock::now(); }

    // Kept, if that was a short while ago. Each is judged once.
    void judge(std::atomic<time_point>& since) noexcept {
        auto const when = since.load(std::memory_order_relaxed);
        if (when == time_point()) [[likely]] {
            return;
        }
        since.store(time_point(), std::memory_order_relaxed);
        auto const present = now();
        if (present - when < k_soon) {
            kept_until_ = present + k_keep_for;
            kept_.store(true, std::memory_order_relaxed);
        }
    }

    std::atomic<bool> kept_{false};
    std::atomic<time_point> taken_{time_point()};
    std::atomic<time_point> thief_idle_{time_point()};
    time_point kept_until_{};
};

}  // namespace coir::detail
