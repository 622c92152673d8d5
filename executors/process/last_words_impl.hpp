// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a worker process says as it dies of a stack overflow: one message to the pool, so that worker_died need not call
// it a segmentation fault. Every other fault goes to whoever handled it before, and so does this one afterwards.

#include "core/fiber/overflow.hpp"

#include <cstdint>

namespace coir::detail {

/// While it lives, the calling thread, on which the jobs run, has a signal stack. The handler stays for good. One in a process.
class last_words {
public:
    /// Throws std::system_error.
    last_words();

    /// The job that runs from now on; 0: none.
    static void are_of(std::uint64_t job) noexcept;

private:
    signal_stack_memory memory_;
    alternate_signal_stack stack_{memory_};
};

}  // namespace coir::detail
