// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   wait(range, options)   waits for some or all of a range of tasks or futures   -> {done, pending}

#include <coir/core/base/clock.hpp>
#include <coir/core/task/awaitable.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <ranges>
#include <span>
#include <type_traits>
#include <vector>

namespace coir {

/// When wait() returns.
enum class return_when : unsigned char {
    all_completed,    ///< all are done
    first_completed,  ///< one is done
    first_exception,  ///< one has ended with an exception (a cancellation is none), or all are done
};

/// Every member has a default.
struct wait_options {
    coir::return_when return_when = coir::return_when::all_completed;
    /// How long to wait at most; empty: without a limit.
    std::optional<std::chrono::nanoseconds> timeout = std::nullopt;
};

/// What wait() found: references to the elements of the range, in its order.
template <class Handle>
struct wait_result {
    std::vector<std::reference_wrapper<Handle>> done;
    std::vector<std::reference_wrapper<Handle>> pending;
};

namespace detail {
/// Throws std::invalid_argument if there are none.
void wait_for_some(std::span<shared_state_base* const> states, wait_options const& options);
}  // namespace detail

/// Waits as the options say. Suspends the calling task (blocks a thread). Cancels nothing, and throws neither for a time-out
/// nor what the tasks threw. Cancelling the caller throws `cancelled` and leaves the tasks alone. Throws
/// std::invalid_argument for an empty range, invalid_state if the calling task is one of them. What it returned may be given to
/// it again: `left = wait(left.pending, ...)`.
template <class Range>
    requires(std::ranges::range<Range> || detail::handle<Range>)  // not the system's wait()
auto wait(Range&& range, wait_options const& options = {}) {
    if constexpr (detail::check_range_of_handles<Range>::passed) {
        using handle = detail::handle_in_range<Range>;
        std::vector<std::reference_wrapper<handle>> handles;
        std::vector<detail::shared_state_base*> states;
        for (handle& h : range) {
            states.push_back(&detail::state_of(h));
            handles.push_back(h);
        }
        detail::wait_for_some(states, options);
        wait_result<handle> result;
        for (handle& h : handles) {
            (h.done() ? result.done : result.pending).push_back(h);
        }
        return result;
    }
}

}  // namespace coir
