// SPDX-License-Identifier: BSL-1.0
#include <coir/core/sched/runtime.hpp>

#include "core/sched/scheduler.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/base/tls.hpp>

namespace coir {

runtime::runtime(runtime_options options) : scheduler_(new detail::scheduler(std::move(options))) {
    scheduler_->facade = this;
}

runtime::~runtime() {
    shutdown();
}

void runtime::destroyer::operator()(detail::scheduler* s) const noexcept {
    delete s;
}

void runtime::shutdown() {
    scheduler_->shut_down();
}

void runtime::throw_if_deadlocked() const {
    if (auto report = scheduler_->deadlock_report()) {
        throw deadlock_error(*report);
    }
}

runtime_stats runtime::stats() const {
    return scheduler_->stats();
}

runtime& runtime::current() {
    return *detail::current_scheduler().facade;
}

bool detail::in_a_task() noexcept {
    return current_task_or_null() != nullptr;
}

}  // namespace coir
