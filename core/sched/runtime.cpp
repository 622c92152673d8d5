// SPDX-License-Identifier: BSL-1.0
#include <coir/core/sched/runtime.hpp>

#include "core/base/forked.hpp"
#include "core/sched/blocking_section.hpp"
#include "core/sched/deadlock.hpp"
#include "core/sched/scheduler.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/base/tls.hpp>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <system_error>

namespace coir {

runtime::runtime(runtime_options options) : scheduler_(new detail::scheduler(std::move(options))) {
    scheduler_->facade = this;
}

runtime::~runtime() {
    try {
        shutdown();
    } catch (invalid_state const&) {
        std::fputs(
            "coir: a runtime was destroyed by one of its own tasks, for the end of which it would have to wait\n",
            stderr);
        std::abort();
    }
}

void runtime::destroyer::operator()(detail::scheduler* s) const noexcept {
    if (!detail::in_a_fork.load(std::memory_order_relaxed)) {  // there it stays: nobody can end its threads
        delete s;
    }
}

void runtime::shutdown() {
    detail::worker* const here = detail::this_worker();
    std::optional<detail::blocking_section> meanwhile;
    if (here != nullptr && here->current_task() != nullptr && &here->home() != scheduler_.get()) {
        try {
            meanwhile.emplace(*here);
        } catch (std::system_error const&) {  // there is no thread to be had: then this worker waits too
        } catch (std::bad_alloc const&) {
        }
    }
    scheduler_->shut_down();
}

std::uint64_t runtime::deadlocks() const {
    return scheduler_->deadlocks();
}

// Not for another cancellation of a task that has survived a deadlock. There was no memory for a reason if there was none for
// the report.
void runtime::throw_if_deadlocked(std::uint64_t before, std::string const& reason_of_end) const {
    auto const report = scheduler_->deadlock_since(before);
    if (report && reason_of_end == (report->empty() ? "" : detail::k_deadlock_reason)) {
        throw deadlock_error(*report);
    }
}

void runtime::throw_if_unaware_of_deadlock(detail::task_base& ended, std::uint64_t before) const {
    if (ended.cancel_is_pending() && !ended.has_error()) {
        if (detail::cancel_reason const reason = ended.reason_of_request()) {
            throw_if_deadlocked(before, *reason);
        }
    }
}

runtime_stats runtime::stats() const {
    return scheduler_->stats();
}

std::optional<std::string> runtime::describe_waits(std::chrono::nanoseconds patience) const {
    detail::worker* const here = detail::this_worker();
    if (here != nullptr && &here->home() == scheduler_.get()) {
        throw invalid_state("coir::runtime::describe_waits in one of its own tasks, which therefore does not wait");
    }
    return detail::describe_waits_at_rest(*scheduler_, patience);
}

runtime& runtime::current() {
    return *detail::current_scheduler().facade;
}

bool detail::in_a_task() noexcept {
    return current_task_or_null() != nullptr;
}

}  // namespace coir
