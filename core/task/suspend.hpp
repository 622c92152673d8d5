// SPDX-License-Identifier: BSL-1.0
#pragma once

// How everything above waits, without knowing the scheduler: declared here, defined by core/sched.

#include <coir/core/base/clock.hpp>
#include <coir/core/task/wait_kind.hpp>
#include <coir/core/task/waiter.hpp>

namespace coir::detail {

inline constexpr clock::time_point k_never = clock::time_point::max();

/// Whether a cancellation request may end a wait.
enum class cancel_policy : unsigned char {
    deliver,         ///< a suspension point: a request is thrown, unless the task is shielded or unwinding
    ignore,          ///< a request waits for a later suspension point
    only_interrupt,  ///< a pending request does not matter, one that comes during the wait ends it
};

/// The task that runs on the calling thread, or null.
task_base* current_task_or_null() noexcept;

/// May the calling task keep its worker for some microseconds, rather than suspend? Not if anything else is ready there, if
/// a descriptor or a timer may become so, or the task is to be cancelled. A plain thread always may.
bool may_linger() noexcept;

/// The calling task, or on a plain thread the thread.
waiter& this_waiter();

/// Throws a pending cancellation request of the calling task. What every suspension point does that need not wait.
/// Returns the task, or null on a plain thread.
task_base* throw_if_cancel_pending();

/// For code that had to do something first after a wait that a cancellation ended: throws it.
[[noreturn]] void deliver_cancel();

/// One wait of the calling task or thread. See waiter.hpp for its use.
class wait_point {
public:
    /// Prepares the wait. Throws a pending cancellation, unless told to ignore it, and std::bad_alloc when there is no
    /// memory for the timer of a task's deadline.
    explicit wait_point(cancel_policy policy = cancel_policy::deliver) : wait_point(k_never, policy) {}
    explicit wait_point(clock::time_point deadline, cancel_policy policy = cancel_policy::deliver)
        : wait_point(current_task_or_null(), deadline, policy) {}
    /// The same for who knows the calling task, null on a plain thread: throw_if_cancel_pending() has said it.
    wait_point(task_base* self, clock::time_point deadline, cancel_policy policy = cancel_policy::deliver);
    wait_point(wait_point const&) = delete;
    wait_point& operator=(wait_point const&) = delete;

    /// Suspends the task (blocks the thread) until somebody claims the wait or the deadline has passed.
    wake_reason suspend() noexcept;

    /// Instead of suspend(), when a node was published and there turns out to be nothing to wait for: ends the wait, or, if
    /// somebody is just ending it, takes that wake so that it does not hit a later wait.
    void withdraw() noexcept {
        if (!try_withdraw()) {
            suspend();
        }
    }
    /// The same for who wants to know what ended the wait: if false, somebody is just ending it, and suspend() must follow.
    [[nodiscard]] bool try_withdraw() noexcept { return node.who->word.try_claim(wake_reason::notified); }

    /// After suspend(): throws `cancelled` if that is what ended the wait. The caller has unlinked its nodes.
    void throw_if_cancelled() const;

    waiter& who() const noexcept { return *node.who; }

    /// For reports, before suspend().
    void is_for(wait_kind const& kind, void const* object = nullptr) noexcept { subject_ = {&kind, object}; }

    /// For a wait in one list, of nothing but waiters.
    wait_node node;

private:
    clock::time_point const deadline_;
    wait_subject subject_;
    wake_reason reason_ = wake_reason::none;
};

}  // namespace coir::detail
