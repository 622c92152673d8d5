// SPDX-License-Identifier: BSL-1.0
#pragma once

// A fiber: a stack and the place on it where execution goes on. What runs on it is the scheduler's business.

#include "core/fiber/sanitizer.hpp"
#include "core/fiber/stack.hpp"

namespace coir::detail {

struct fiber_thread;

struct fiber {
    void (*entry)(fiber_thread*) = nullptr;  ///< Where it starts; never returns.
    void* context = nullptr;                 ///< Boost.Context's handle; valid while the fiber is suspended.
    fiber* next = nullptr;                   ///< Link of whoever keeps idle fibers.
    void* argument = nullptr;                ///< For `entry`, which finds it in the current fiber.
    stack memory{};                          ///< Empty for the fiber that is a thread's own stack.
    [[no_unique_address]] fiber_sanitizer_state sanitizer;
};

}  // namespace coir::detail
