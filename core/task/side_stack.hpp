// SPDX-License-Identifier: BSL-1.0
#pragma once

// A body that runs on a stack of its own, as a part of the task (or plain thread) that resumes it. Under generators.
//
// Roles
//   consumer  whoever calls resume(); waits on its own stack until the body leaves or ends
//   body      runs between resume() and leave(); what it waits for, the consumer's whole task waits for
//
//     fresh ──resume()──▶ running ──leave()──▶ suspended ──resume()──▶ running …
//                            └──▶ ended        suspended ──close()───▶ closing, until ended
//
// Not synchronised: one consumer at a time, which may be another one each time.

#include <cstddef>
#include <cstdint>
#include <exception>

namespace coir::detail {

struct fiber;
struct fiber_thread;

class side_stack {
public:
    /// Costs no stack before the first resume(). `stack_size` 0: as the tasks of the runtime in which that happens.
    explicit side_stack(std::size_t stack_size) noexcept : stack_size_(stack_size) {}
    side_stack(side_stack const&) = delete;
    side_stack& operator=(side_stack const&) = delete;
    virtual ~side_stack() = default;

    bool is_fresh() const noexcept { return state_ == state::fresh; }
    bool has_ended() const noexcept { return state_ == state::ended; }

    /// The consumer's: lets the body run until it leaves or ends. Rethrows what left the body, once. Nothing happens
    /// after its end. Throws invalid_state if the body is running (it, or another task, resumes it), std::bad_alloc.
    void resume();

    /// The body's: back to the consumer. Throws generator_exit when close() has been called, invalid_state when it is not
    /// the body's own task that calls.
    void leave();

    /// Instead of the last resume(): a body that has not ended unwinds by generator_exit. To be called before this object
    /// is destroyed. Cancellations wait until it has ended; what else leaves the body is reported as unhandled.
    void close() noexcept;

private:
    enum class state : unsigned char { fresh, suspended, running, ended };

    virtual void body() = 0;
    [[noreturn]] static void main(fiber_thread* thread);
    void run() noexcept;
    void go_on() noexcept;

    std::size_t const stack_size_;
    fiber* stack_ = nullptr;         // the body's, from the first resume() to its end
    fiber* suspended_on_ = nullptr;  // where leave() was called: on stack_, or on one of the stacks that it resumes
    fiber* consumer_ = nullptr;      // while it runs
    std::uint64_t task_ = 0;         // the consumer's, while it runs; 0: a plain thread
    std::exception_ptr failure_;
    state state_ = state::fresh;
    bool closing_ = false;
};

}  // namespace coir::detail
