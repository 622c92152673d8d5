// SPDX-License-Identifier: BSL-1.0
#pragma once

// Work for a task that goes on outside of its runtime: a job of an executor, a child process, a blocking call. As long as
// there is any, the runtime's virtual time stands still, and nobody calls its waiting tasks deadlocked.
// Declared here, defined by core/sched.

#include <cstdint>
#include <utility>

namespace coir::detail {

/// One piece of such work, from its construction by the calling task, be it in blocking(), until its end. On a plain thread,
/// nothing.
class outside_work {
public:
    /// Begins it.
    outside_work() noexcept;
    outside_work(outside_work&& other) noexcept : runtime_(std::exchange(other.runtime_, 0)) {}
    outside_work& operator=(outside_work&&) = delete;
    /// Ends it: after its result was delivered. Any thread; the runtime may be gone.
    ~outside_work();

    /// Does virtual time stand still for it?
    bool holds_time() const noexcept { return runtime_ != 0; }

private:
    std::uint32_t runtime_;  // its number, or 0
};

}  // namespace coir::detail
