// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   recursive_mutex   a mutex that its owner may lock again

#include <coir/sync/mutex.hpp>

#include <atomic>
#include <cstddef>

namespace coir {

namespace detail {
class waiter;
}

/// std::recursive_mutex for tasks and plain threads; meets Lockable. Unlike coir::mutex it is owned, by the task (or thread)
/// that has locked it: wherever that task goes on, it may lock it again, and only it may unlock it. Waiters get it in the
/// order of their coming. In blocking(f) it is the thread's that runs f, not the task's. Destroying a locked one is undefined.
class recursive_mutex {
public:
    recursive_mutex() = default;
    recursive_mutex(recursive_mutex const&) = delete;
    recursive_mutex& operator=(recursive_mutex const&) = delete;

    /// Suspends the calling task (blocks a thread) until the mutex is its own; at once if it is already. Throws `cancelled`
    /// where it does not own it yet, and then has not locked it.
    void lock();
    /// Never waits. False if somebody else has it.
    bool try_lock();
    /// By the owner, once for each time it was locked; the last hands it to the first waiter. Does not suspend. Anybody
    /// else's call ends the process.
    void unlock();

private:
    mutex mutex_;
    std::atomic<detail::waiter const*> owner_{nullptr};  // a task or thread finds itself here if it wrote itself
    std::size_t depth_ = 0;                              // the owner's
};

}  // namespace coir
