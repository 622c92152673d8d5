// SPDX-License-Identifier: BSL-1.0
#pragma once

// The one place where execution moves from one stack to another.
//
// A switch saves and restores what the compiler cannot: the callee-saved registers (Boost.Context), the exception
// state (eh_state.hpp) and, in sanitizer builds, the shadow state. It returns the thread on which the fiber goes on, which
// need not be the one that it left: callers use the returned pointer and nothing that they knew about the old thread.

#include "core/fiber/eh_state.hpp"
#include "core/fiber/fiber.hpp"

namespace coir::detail {

/// What a switch needs to know of the operating system thread under it. A worker is one.
struct fiber_thread {
    fiber* current = nullptr;   ///< The fiber that runs here.
    fiber* previous = nullptr;  ///< The fiber that this thread ran before: to be published only now that it is left.
    eh_state* eh = nullptr;

    fiber* native = nullptr;  ///< The thread's own stack.

    /// Makes the calling thread, whose own stack is `own`, able to run fibers. That is then the current one.
    void attach_to_this_thread(fiber& own) noexcept;
};

enum class leaving : bool { suspends, dies };

/// Suspends the current fiber of `thread` and goes on in `to`, which must be suspended. Returns when somebody switches
/// back. A fiber that dies does not come back.
fiber_thread* switch_fiber(fiber_thread* thread, fiber& to, leaving how = leaving::suspends) noexcept;

/// Prepares `target`, which has a stack, to run `entry` when it is first switched to. `entry` never returns.
void prepare_fiber(fiber& target, void (*entry)(fiber_thread*));

}  // namespace coir::detail
