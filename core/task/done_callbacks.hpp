// SPDX-License-Identifier: BSL-1.0
#pragma once

// Not for users: the on_done() callbacks of one state.
//
// A callback is a task that is made when it is registered, with the context and the strand of that moment, and spawned when
// the state is done. Those without a strand of their own share one, so that they start in the order of their registration
// also when there are many workers.
//
// Order: all go through the list, and one thread at a time takes them out and spawns them. So who registers when the state
// is done already, but the others are only just being spawned, comes after them.

#include <coir/core/base/lock.hpp>
#include <coir/core/task/shared_state.hpp>

#include <memory>

namespace coir::detail {

class strand_state;
class task_base;

class done_callbacks : public completion_node {
public:
    done_callbacks();
    done_callbacks(done_callbacks const&) = delete;
    done_callbacks& operator=(done_callbacks const&) = delete;
    /// Those that were never started end as cancelled.
    ~done_callbacks();

    /// Takes over both references of a dormant task.
    void add(task_base& callback) noexcept;
    /// The state is done.
    void start_all() noexcept;

    std::shared_ptr<strand_state> const& common_strand() const noexcept { return strand_; }

private:
    std::shared_ptr<strand_state> const strand_;
    spin_mutex lock_;  // guards the rest
    task_base* first_ = nullptr;
    task_base* last_ = nullptr;
    bool state_is_done_ = false;
    bool starting_ = false;
};

/// Spawns a dormant task in its runtime, and lets its handle go; if that has ended, the task ends as cancelled. Defined by
/// core/sched.
void start_dormant(task_base& task) noexcept;

}  // namespace coir::detail
