// SPDX-License-Identifier: BSL-1.0
#pragma once

// What stands in the place of the worker while a task blocks its thread: the task goes on on its own fiber, on the
// thread that it is on, but for everything in coir this is a plain thread now.
//
// The worker goes on on another thread: at once if there is work for it or if time is virtual, else when the section
// lasts (blocking_word.hpp). A section that ends before that has the worker back, and nobody was woken for it.

#include "core/fiber/switch.hpp"

#include <coir/core/task/outside_work.hpp>

#include <cstdint>
#include <optional>

namespace coir::detail {

class scheduler;
class task_base;
class worker;

class blocking_section : public fiber_thread {
public:
    /// By the current task of `left`. Throws std::system_error or std::bad_alloc if there is no thread that could carry the
    /// worker on; nothing has changed then.
    explicit blocking_section(worker& left);
    blocking_section(blocking_section const&) = delete;
    blocking_section& operator=(blocking_section const&) = delete;
    /// By the same task, which is on a worker again afterwards.
    ~blocking_section();

    task_base& task() const noexcept { return task_; }

    /// On the thread's own stack, when the task has left its own: puts it back into a queue. The section may be gone
    /// afterwards.
    void resume_task() noexcept;

private:
    static constexpr std::uint64_t k_handed_over = 0;  // no section's number: they are odd

    task_base& task_;
    worker& left_;  // lives on, whoever carries it: the runtime waits for this task
    std::uint64_t number_ = k_handed_over;
    std::optional<outside_work> outside_;
};

/// The runtime of which the calling thread is a worker, or in whose task's blocking section it is; else null.
scheduler* runtime_of_this_thread() noexcept;

}  // namespace coir::detail
