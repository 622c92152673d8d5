// SPDX-License-Identifier: BSL-1.0
#include "core/sched/standstill.hpp"

#include "core/sched/deadlock.hpp"
#include "core/sched/scheduler.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace coir::detail {
namespace {

// With a seed, time begins at the same point in every run. Any would do that leaves room for subtracting from it.
constexpr clock::duration k_fixed_start = std::chrono::hours(24);
// How long what comes over a descriptor may be under way inside the kernel. Guessed.
constexpr auto k_moment = std::chrono::milliseconds(1);

}  // namespace

standstill::standstill(scheduler& home, bool virtual_time, bool fixed_start)
    : home_(home), virtual_(virtual_time),
      now_((fixed_start ? k_fixed_start : std::chrono::steady_clock::now().time_since_epoch()).count()) {}

standstill::next_step standstill::decide() noexcept {
    if (!everybody_sleeps()) {
        return next_step::sleep;
    }
    if (!waiting_.empty()) {
        return next_step::wake_watchers;
    }
    // No outside work: what was delivered before its end is seen below (acquire; partner is the release in
    // outside_work_ends()).
    if (!virtual_ || has_outside_work() || something_is_under_way()) {
        return next_step::sleep;
    }
    clock::time_point const next = earliest_deadline();
    if (next == k_never) {
        switch (outlook_of(home_)) {
        case outlook::alive:
            return next_step::sleep;
        case outlook::uncertain:
        case outlook::unsettled:
            return next_step::sleep_for_a_while;
        case outlook::deadlock:
            return next_step::break_deadlock;
        }
    }
    now_.store(std::max(next.time_since_epoch().count(), now_.load(std::memory_order_relaxed)),
               std::memory_order_release);
    return next_step::jump;
}

bool standstill::everybody_sleeps() noexcept {
    if (home_.idlers().sleepers() != home_.worker_count() || !home_.global_queue().empty()) {
        return false;
    }
    for (unsigned i = 0; i < home_.worker_count(); ++i) {
        if (!home_.worker_at(i).thief().empty()) {
            return false;
        }
    }
    return true;
}

bool standstill::something_is_under_way() noexcept {
    for (unsigned i = 0; i < home_.worker_count(); ++i) {
        reactor& poller = home_.worker_at(i).poller();
        if (poller.wait_until_readable(poller.has_descriptors() ? std::chrono::steady_clock::now() + k_moment
                                                                : clock::time_point{})) {
            return true;
        }
    }
    return false;
}

clock::time_point standstill::earliest_deadline() const noexcept {
    clock::time_point earliest = k_never;
    for (unsigned i = 0; i < home_.worker_count(); ++i) {
        earliest = std::min(earliest, home_.worker_at(i).timer_heap().next_deadline());
    }
    return earliest;
}

std::size_t standstill::fire_due() noexcept {
    std::size_t fired = 0;
    for (unsigned i = 0; i < home_.worker_count(); ++i) {
        fired += home_.worker_at(i).timer_heap().fire_due(now(), std::numeric_limits<std::size_t>::max());
    }
    return fired;
}

void standstill::wake_watchers() noexcept {
    std::vector<promise<void>> due;
    {
        std::lock_guard const guard(lock_);
        due.swap(waiting_);
    }
    for (promise<void>& p : due) {
        p.try_set_value();
    }
    watchers_.fetch_sub(due.size(), std::memory_order_relaxed);
}

future<void> standstill::next() {
    promise<void> reached;
    future<void> result = reached.get_future();
    {
        std::lock_guard const guard(lock_);
        waiting_.push_back(std::move(reached));
    }
    // Before this task suspends, and so before its worker parks.
    watchers_.fetch_add(1, std::memory_order_seq_cst);
    return result;
}

void standstill::outside_work_ends() noexcept {
    if (outside_.fetch_sub(1, std::memory_order_release) == 1) {
        home_.worker_at(0).poller().interrupt();
    }
}

}  // namespace coir::detail
