// SPDX-License-Identifier: BSL-1.0
#include "core/sched/carriers.hpp"

#include "core/base/thread_count.hpp"
#include "core/sched/blocking_section.hpp"
#include "core/sched/worker.hpp"

#include <utility>

namespace coir::detail {

carrier& carriers::reserve() {
    std::lock_guard const guard(lock_);
    if (idle_ != nullptr) {
        return *std::exchange(idle_, idle_->next_idle_);
    }
    carrier& fresh = all_.emplace_back();
    try {
        fresh.thread_ = std::thread([this, &fresh] { run(fresh); });
    } catch (...) {
        all_.pop_back();
        throw;
    }
    return fresh;
}

void carriers::give_back(carrier& unused) noexcept {
    std::lock_guard const guard(lock_);
    unused.next_idle_ = std::exchange(idle_, &unused);
}

void carriers::hand_over(worker& w, carrier& by) noexcept {
    by.to_carry_ = &w;
    by.parker_.unpark();
}

void carriers::stop() noexcept {
    carrier* idle = nullptr;
    {
        std::lock_guard const guard(lock_);
        stopping_ = true;
        idle = std::exchange(idle_, nullptr);
    }
    while (idle != nullptr) {
        carrier* const next = idle->next_idle_;  // read before the thread is let go
        idle->parker_.unpark();
        idle = next;
    }
    for (carrier& c : all_) {
        c.thread_.join();
    }
}

void carriers::run(carrier& self) noexcept {
    alternate_signal_stack const overflow_stack(self.signal_stack_);
    for (worker* carried = wait_for_worker(self); carried != nullptr; carried = wait_idle(self)) {
        fiber_thread* const arrived = carried->carry(self.native);
        if (arrived == carried) {
            return;  // the runtime stops
        }
        static_cast<blocking_section*>(arrived)->resume_task();
    }
}

// The worker to be carried next; null when the runtime stops.
worker* carriers::wait_idle(carrier& self) noexcept {
    self.to_carry_ = nullptr;
    {
        std::lock_guard const guard(lock_);
        if (stopping_) {
            return nullptr;
        }
        self.next_idle_ = std::exchange(idle_, &self);
    }
    return wait_for_worker(self);
}

worker* carriers::wait_for_worker(carrier& self) noexcept {
    wakes_nobody const idle;
    self.parker_.park();
    return self.to_carry_;
}

}  // namespace coir::detail
