// SPDX-License-Identifier: BSL-1.0
#pragma once

// Waiting for several states at once: one node in each, one waiter, one wake.

#include <coir/core/task/shared_state.hpp>
#include <coir/core/task/suspend.hpp>

#include <atomic>
#include <cstddef>
#include <span>
#include <vector>

namespace coir::detail {

/// Throws invalid_state if one of them is the calling task, which would wait for ever.
void throw_if_self_among(std::span<shared_state_base* const> states);

class wait_many {
public:
    /// Until all are done; or, earlier: one has ended with an exception or by cancellation; one with an exception; any.
    enum class until : unsigned char { all, all_or_failure, all_or_exception, any };

    /// Throws invalid_state as throw_if_self_among(), std::bad_alloc.
    wait_many(std::span<shared_state_base* const> states, until condition);
    wait_many(wait_many const&) = delete;
    wait_many& operator=(wait_many const&) = delete;
    ~wait_many();

    /// Waits until the condition holds or the deadline has passed. True if a cancellation ended the wait instead, or was
    /// pending: it has not been delivered. Suspends.
    bool run(clock::time_point deadline = k_never);

    /// The first state, in time, that ended the wait early.
    shared_state_base* first_early() const noexcept { return first_early_.load(std::memory_order_acquire); }

private:
    struct node : completion_node {
        wait_many* owner = nullptr;
        shared_state_base* state = nullptr;
    };

    bool ends_early(shared_state_base const& state) const noexcept;
    bool holds() const noexcept { return missing_.load(std::memory_order_acquire) == 0 || first_early() != nullptr; }
    void on_one(shared_state_base& state, wake_list* wakes) noexcept;
    void unlink_all() noexcept;
    std::uint64_t first_pending_id() const noexcept;

    static wait_kind const k_waits_for_several;

    until const condition_;
    std::vector<node> nodes_;
    std::atomic<std::size_t> missing_;
    std::atomic<shared_state_base*> first_early_{nullptr};
    waiter* who_ = nullptr;
};

}  // namespace coir::detail
