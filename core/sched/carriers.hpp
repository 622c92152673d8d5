// SPDX-License-Identifier: BSL-1.0
#pragma once

// The operating system threads of one runtime.
//
// As a rule a thread carries one worker from the runtime's start to its end. A task that blocks its thread (coir::blocking)
// keeps the thread: if that lasts, or others have something to do, its worker is handed to another one and goes on there.
// When the task is done with blocking it then goes back into a queue, and the thread waits for a worker to carry.
//
// Roles: a task that begins a blocking section reserves a thread for its worker, if that has none in reserve; it, or
// later the monitor, hands the worker over; each carrier's own thread; the thread that starts and stops the runtime.
//
// Invariants
//   1. A worker is carried by one thread at a time: the old one does not touch it after hand_over().
//   2. There are at most as many threads as workers, blocking sections at one time, and one in reserve for each worker that
//      has had a section. They stay for the next section.
// Go's handoffp does the same with its Ms and Ps.

#include "core/fiber/fiber.hpp"
#include "core/fiber/overflow.hpp"
#include "core/park/parker.hpp"

#include <deque>
#include <mutex>
#include <thread>

namespace coir::detail {

class worker;

/// One thread.
class carrier {
public:
    /// Its own stack.
    fiber native;

private:
    friend class carriers;

    signal_stack_memory signal_stack_;
    std::thread thread_;
    thread_parker parker_;
    worker* to_carry_ = nullptr;  // written before the unpark
    carrier* next_idle_ = nullptr;
};

class carriers {
public:
    carriers() = default;
    carriers(carriers const&) = delete;
    carriers& operator=(carriers const&) = delete;

    /// A thread that waits for hand_over(). Throws std::system_error or std::bad_alloc when there is none to be had.
    carrier& reserve();
    /// One that was reserved and is not needed. Any thread.
    void give_back(carrier& unused) noexcept;
    /// From here on `by` carries `w`.
    void hand_over(worker& w, carrier& by) noexcept;
    /// The workers have stopped, or will: ends the idle threads and waits for all.
    void stop() noexcept;

private:
    void run(carrier& self) noexcept;
    worker* wait_idle(carrier& self) noexcept;
    static worker* wait_for_worker(carrier& self) noexcept;

    std::mutex lock_;
    std::deque<carrier> all_;  // under lock_; stays where it is
    carrier* idle_ = nullptr;  // under lock_; the last to become idle first
    bool stopping_ = false;    // under lock_
};

}  // namespace coir::detail
