// SPDX-License-Identifier: BSL-1.0
#include <coir/executors/executor.hpp>

#include "executors/job_ledger_impl.hpp"
#include "executors/shut_down_impl.hpp"

#include <cstdio>

namespace coir {

executor::executor() : ledger_(new detail::job_ledger) {}

executor::executor(with_stop_tokens) : ledger_(new detail::job_ledger), gives_stop_token_(true) {}

executor::~executor() {
    if (ledger_ == nullptr) {
        return;
    }
    ledger_->close(false);
    if (runs_caller()) {
        std::fputs("coir: an executor was destroyed by one of its own jobs, and does not wait for them\n", stderr);
    } else {
        ledger_->wait_until_ended();
    }
    ledger_->release();
}

bool executor::runs_caller() const noexcept {
    return ledger_ != nullptr && ledger_->runs_caller();
}

void executor::accept(job work) {
    if (ledger_ != nullptr) {
        ledger_->open_job();
        detail::job_base* const counted = work.release();
        counted->count_in(*ledger_);
        work = job(counted);
    }
    execute(std::move(work));
}

void executor::shutdown(shutdown_options options) {
    if (ledger_ != nullptr) {
        detail::shut_down(*ledger_, options, "executor::shutdown: a job of this executor would wait for itself");
    }
}

executor_stats executor::stats() const {
    if (ledger_ == nullptr) {
        return {};
    }
    auto const counts = ledger_->read();
    executor_stats result;
    result.submitted = counts.submitted;
    result.completed = counts.completed;
    result.cancelled = counts.cancelled;
    auto const ended = counts.completed + counts.cancelled + counts.running;
    result.queued = static_cast<std::size_t>(counts.submitted > ended ? counts.submitted - ended : 0);
    return result;
}

}  // namespace coir
