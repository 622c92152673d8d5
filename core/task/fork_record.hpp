// SPDX-License-Identifier: BSL-1.0
#pragma once

// Not for users: a call that lies in the frame of who joins it, and how it gets from there to another worker.
//
// A record is in one of three places: on the fork stack of the worker on which its frame runs; with a task, which runs the
// call and then ends (`given_to`); or kept by its frame (`given_to` is kept()), which runs it when it gets to it.
// It goes from the stack to a task when another worker takes it, and when its frame is about to leave the worker: every
// suspension gives all open calls away, so that what lies on a worker's fork stack belongs to its current task, and the
// calls of a frame that blocks go on. Only if there is no memory for a task, and on a strand, they are kept. A task for which
// there is no stack, and that its frame waits for, ends without having run its call: then the frame does.
// What is not given is therefore where it was put, and the newest there when its frame gets to it.

#include <coir/core/base/atomic.hpp>
#include <coir/core/base/tls.hpp>
#include <coir/core/park/idle.hpp>
#include <coir/core/queue/fork_stack.hpp>

#include <exception>
#include <initializer_list>

namespace coir::detail {

class task_base;

class fork_record {
public:
    using runner = void (*)(fork_record&) noexcept;

    explicit fork_record(runner run) noexcept : run_(run) {}
    fork_record(fork_record const&) = delete;
    fork_record& operator=(fork_record const&) = delete;

    void run_given() noexcept { run_(*this); }

    bool is_given() const noexcept { return given_to_.load(memory_order_acquire) != nullptr; }
    /// By whoever has taken it from the stack: `task`, whose handle's reference comes with it, will run it.
    void give_to(task_base& task) noexcept { given_to_.store(&task, memory_order_release); }
    /// By whoever has taken it from the stack: its frame runs it.
    void keep() noexcept { given_to_.store(kept(), memory_order_release); }

    /// Of one that is given: waits until it has run, which is no cancellation point; or true if it was kept, or has come back,
    /// and is still to be run.
    bool wait() noexcept;

    std::exception_ptr error;

private:
    static task_base* kept() noexcept;  // no task, only an address

    runner const run_;
    atomic<task_base*> given_to_{nullptr};
};

struct fork_place {
    fork_stack<fork_record> stack;
    idle const* idlers = nullptr;
};

/// Somebody sleeps, and the calling worker has just put a call on its stack.
void wake_for_fork() noexcept;
/// There is no room on the stack, or no stack. False: it could not be given away either, and `error` says why.
bool put_off_elsewhere(fork_record& call) noexcept;
/// What lies on the calling worker's stack becomes tasks. For the calling task, before it leaves its worker or stack, or
/// changes what tasks inherit from it.
void give_open_calls_away() noexcept;
/// Rethrows the first failure. There is one.
[[noreturn]] void rethrow_first(std::initializer_list<fork_record*> calls);

/// From here on others may run the call.
COIR_ALWAYS_INLINE bool put_off(fork_place* place, fork_record& call) noexcept {
    if (place == nullptr || !place->stack.push(&call)) [[unlikely]] {
        return put_off_elsewhere(call);
    }
    light_fence();  // for the look at the sleepers: partner is the heavy fence of a worker that goes to sleep
    if (place->idlers->anybody_sleeps()) [[unlikely]] {
        wake_for_fork();
    }
    return true;
}

/// True: nobody has it, and it is to be run here. False: it has run.
COIR_ALWAYS_INLINE bool take_back(fork_place* place, fork_record& call) noexcept {
    return (!call.is_given() && place->stack.pop()) || call.wait();
}

}  // namespace coir::detail
