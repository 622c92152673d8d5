// SPDX-License-Identifier: BSL-1.0
#pragma once

// Tells of tasks that suspend while they hold a std::mutex (or any other mutex or read-write lock of pthreads): others who
// want it block their workers meanwhile, perhaps all of them, and the task may have to unlock it on another thread, which is
// undefined. Only in builds with COIR_CHECK_HELD_LOCKS=1 (the preset dev); nothing of it is left in others.
//
// held_locks.cpp takes the place of pthread_mutex_lock() and its like: what the program itself defines goes before the C
// library. A mutex belongs to a thread, so each thread lists the locks that code on its workers' side has taken; the list is
// looked at wherever a task is about to leave its thread, and is empty afterwards in any case. So no list moves with a task.
// A task that is run in the place of the one that awaits it finds that one's locks in the list: they are marked as that one's,
// which lives for as long as the other one runs, so that who is told of is who has locked.
//
// Not with a sanitizer: ThreadSanitizer has interceptors of its own for these functions, which a program's definition would
// replace, and it would no longer know what a lock orders. Rejected: a wrapper around std::mutex (sees only who uses it); a
// list in each fiber (must be found from any thread, and kept in step when somebody else unlocks).

#ifndef COIR_CHECK_HELD_LOCKS
#define COIR_CHECK_HELD_LOCKS 0
#endif

#if COIR_CHECK_HELD_LOCKS

#include <cstddef>
#include <string>

namespace coir::detail {

/// Return addresses, the innermost first.
struct call_stack {
    static constexpr std::size_t k_most = 10;

    void* frames[k_most];
    std::size_t size;
};

/// A task that another one, which it awaits, runs in the place of.
struct lock_holder {
    void* task;  // null: the one that runs
    std::string (*name)(void* task);
};

struct held_lock {
    void const* lock;
    call_stack taken_at;
    lock_holder holder;
};

/// Of one thread; in core/base/tls.
struct held_locks {
    static constexpr std::size_t k_most = 16;  // those beyond are not noticed

    held_lock entries[k_most];
    std::size_t size;
    bool busy;  // the unwinder may take locks of its own
};

/// What there is to say of one lock.
struct held_lock_report {
    std::string const& task;    // which suspends
    std::string const* holder;  // in whose place it runs, and who has locked it; null: itself
    void const* lock;
    call_stack const& locked_at;
    call_stack const& suspended_at;
};

/// Instead of a message on stderr, which comes once for each pair of places; null for that. Returns the one before.
using held_lock_handler = void (*)(held_lock_report const&);
held_lock_handler on_held_lock(held_lock_handler handler) noexcept;

/// Has the calling thread taken a lock in the task that runs on it, and not unlocked it?
bool holds_locks() noexcept;
/// Reports them, and forgets them.
void report_held_locks(std::string const& task);
/// The task has ended.
void forget_held_locks() noexcept;

/// What nobody else has locked is `holder`'s from now on, though another task runs.
void leave_locks_with(lock_holder holder) noexcept;
/// `task` runs again: what was left with it is its own.
void take_locks_back(void const* task) noexcept;

template <class Task>
lock_holder holder_of(Task& task) noexcept {
    return {&task, [](void* t) { return static_cast<Task*>(t)->name(); }};
}

}  // namespace coir::detail

/// Before a task leaves its thread. `task` has a name().
#define COIR_CHECK_NO_LOCK_HELD(task)                                                                                  \
    (::coir::detail::holds_locks() ? ::coir::detail::report_held_locks((task).name()) : static_cast<void>(0))
#define COIR_FORGET_LOCKS() ::coir::detail::forget_held_locks()
/// Before a task that `task` awaits runs in its place, and after it has.
#define COIR_LEAVE_LOCKS_WITH(task) ::coir::detail::leave_locks_with(::coir::detail::holder_of(task))
#define COIR_TAKE_LOCKS_BACK(task) ::coir::detail::take_locks_back(&(task))

#else

#define COIR_CHECK_NO_LOCK_HELD(task) static_cast<void>(0)
#define COIR_FORGET_LOCKS() static_cast<void>(0)
#define COIR_LEAVE_LOCKS_WITH(task) static_cast<void>(0)
#define COIR_TAKE_LOCKS_BACK(task) static_cast<void>(0)

#endif
