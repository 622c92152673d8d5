// SPDX-License-Identifier: BSL-1.0
#pragma once

// What stands in the place of the worker while a task blocks its thread: the task goes on on its own fiber, on the
// thread that it is on, but for everything in coir this is a plain thread now.

#include "core/fiber/switch.hpp"

#include <coir/core/task/outside_work.hpp>

#include <optional>

namespace coir::detail {

class task_base;

class worker;

class blocking_section : public fiber_thread {
public:
    /// By the current task of `left`, which goes on on another thread, at once. Throws std::system_error or std::bad_alloc if
    /// there is no thread for it; nothing has changed then.
    explicit blocking_section(worker& left);
    blocking_section(blocking_section const&) = delete;
    blocking_section& operator=(blocking_section const&) = delete;
    /// By the same task, which is on a worker again afterwards.
    ~blocking_section();

    /// On the thread's own stack, when the task has left its own: puts it back into a queue. The section may be gone
    /// afterwards.
    void resume_task() noexcept;

private:
    task_base* const task_;
    std::optional<outside_work> outside_;
};

}  // namespace coir::detail
