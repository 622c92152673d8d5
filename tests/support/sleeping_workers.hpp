// SPDX-License-Identifier: BSL-1.0
#pragma once

// Workers as the scheduler has them, who search, steal, sleep and are woken, but blocked in a parker instead of a poll and
// without a time-out: a wake-up that is lost hangs the test.

#include "core/park/idle.hpp"
#include "core/park/parker.hpp"
#include "core/queue/deque.hpp"
#include "core/queue/injector.hpp"

#include <atomic>
#include <cstddef>
#include <vector>

namespace coir::test {

/// `Job` is what a deque and an injector hold.
template <class Job>
class sleeping_workers {
public:
    /// `batch`: so many jobs at most does a worker take out of the injector at a time.
    sleeping_workers(std::size_t workers, std::size_t batch) : workers_(workers), batch_(batch), idlers_(workers) {}

    std::size_t count() const { return workers_.size(); }
    std::size_t asleep() const { return idlers_.sleepers(); }

    /// A chain of `count` jobs, by any thread.
    void push_from_outside(Job& first, Job& last, std::size_t count) {
        injector_.push_batch(&first, &last, count);
        wake(idlers_.choose_sleeper_to_wake());
    }
    /// By the worker `self`.
    void push(std::size_t self, Job& one) {
        workers_[self].queue.owner().push(&one);
        wake(idlers_.choose_sleeper_to_wake());
    }

    /// What the worker `self` does until stop(): `run(job)` for each job that it finds.
    template <class Run>
    void work(std::size_t self, Run const& run) {
        auto const own = workers_[self].queue.owner();
        for (bool searching = false;;) {
            Job* one = own.take_front();
            if (one == nullptr) {
                searching = searching || idlers_.try_start_searching();
                one = searching ? search(self) : nullptr;
            }
            if (one != nullptr) {
                if (searching && idlers_.stop_searching()) {
                    wake(idlers_.choose_sleeper_to_wake());
                }
                searching = false;
                run(*one);
                continue;
            }
            bool const look_everywhere = idlers_.prepare_to_park(self, searching);
            searching = false;
            if (stopped_.load(std::memory_order_relaxed)) {
                static_cast<void>(idlers_.leave_park(self));
                return;
            }
            if (look_everywhere && !all_empty()) {
                idlers_.cancel_park(self);
                searching = true;
                continue;
            }
            workers_[self].parker.park();
            searching = idlers_.leave_park(self);
        }
    }

    /// By any thread, when all jobs have run.
    void stop() {
        stopped_.store(true, std::memory_order_relaxed);
        for (int index = idlers_.claim_any_sleeper(); index != detail::idle::k_nobody;
             index = idlers_.claim_any_sleeper()) {
            wake(index);
        }
    }

private:
    struct worker {
        detail::thread_parker parker;
        detail::deque<Job> queue;
    };

    void wake(int index) {
        if (index != detail::idle::k_nobody) {
            workers_[static_cast<std::size_t>(index)].parker.unpark();
        }
    }

    Job* search(std::size_t self) {
        Job* found = nullptr;
        injector_.pop_batch(
            batch_, [&](Job* one) { found == nullptr ? void(found = one) : workers_[self].queue.owner().push(one); });
        for (std::size_t i = 1; found == nullptr && i < workers_.size(); ++i) {
            auto const victim = workers_[(self + i) % workers_.size()].queue.thief();
            found = victim.steal_half(workers_[self].queue.owner(), 8).item;
        }
        return found;
    }

    bool all_empty() {
        bool empty = injector_.empty();
        for (auto& each : workers_) {
            empty = empty && each.queue.thief().empty();
        }
        return empty;
    }

    std::vector<worker> workers_;
    std::size_t batch_;
    detail::idle idlers_;
    detail::injector<Job> injector_;
    std::atomic<bool> stopped_{false};
};

}  // namespace coir::test
