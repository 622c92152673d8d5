// SPDX-License-Identifier: BSL-1.0
#pragma once

// Looks after workers that a task keeps to itself.
//
// A worker fires its timers and polls its descriptors between two tasks. If a task computes (or blocks) for long, they
// would wait, and so would what lies in its queue while nobody is awake to steal it. The monitor is a thread that
// finds such a worker and does in its place what need not be done by itself: fires due timers, polls, and sees to it
// that somebody comes for the queue. What becomes ready goes through the injector to the other workers.
//
// Roles
//   worker   counts every look at its timers and its poller (worker::looks), says when it sleeps (worker::rests)
//   monitor  one thread a runtime; compares the counts from tick to tick. A worker whose count stands still and that
//            does not rest is kept.
//
// Invariants
//   1. Nothing happens twice: a timer is claimed under the lock of its heap, an edge-triggered event is handed out
//      once, a queue is stolen from as always. So it does no harm if the owner comes back in the middle of it, or even
//      goes to sleep: an interrupt of the owner's that the monitor finds in the poller is made once more.
//   2. While all workers rest the monitor sleeps too, and costs nothing. Before it does it says so (asleep_), and
//      then looks at them once more; a worker that ends its rest says that first, then looks at asleep_. All four are
//      seq_cst: one of them sees the other.
//   3. Until the next tick it waits for the descriptors of kept workers, too: a connection is served as fast as it sends,
//      whoever keeps the worker that it was opened on.
//
// A task that blocks its thread in coir::blocking() is looked after as well, more often: section_watch.hpp.
//
// A task that keeps its worker beyond runtime_options::stall_threshold, with no other task having its turn, is reported
// once, with the place where it is; and once more if it does so again behind its next suspension point that lets others have a
// turn, be there any or not. A thread of its own asks for the place and writes: the answer, the loader's lock or
// stderr may keep it waiting, which must not keep the workers.
// Go's sysmon and Seastar's stall detector do the like; this one stops nothing and sends no signal to a thread that
// is inside a system call.
//
// Tasks for whose stacks there is no memory wait in a queue, and no deadlock is found while a queue is not empty. So it is
// said once if there are such tasks and for a while none of them gets a stack, and no other task ends and leaves its own.
// The monitor writes that itself, when stderr takes it at once: there may be no memory for a thread.

#include "core/park/parker.hpp"
#include "core/sched/section_watch.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

struct epoll_event;
struct pollfd;

namespace coir::detail {

class scheduler;
class task_base;
class worker;

class monitor {
public:
    explicit monitor(scheduler& home);
    monitor(monitor const&) = delete;
    monitor& operator=(monitor const&) = delete;
    ~monitor();

    /// Throws std::system_error.
    void start();
    /// The workers are still there. Idempotent.
    void stop() noexcept;

    /// By a worker that has just ended its rest.
    void worker_is_up() noexcept;
    /// By a worker whose task has just begun to block: it is handed to another thread if that lasts.
    void section_begins() noexcept {
        if (sections_.must_be_woken()) {
            parker_.unpark();
        }
    }

private:
    using time_point = std::chrono::steady_clock::time_point;

    struct watched {
        std::uint64_t looks = 0;
        std::uint64_t turns = 0;  // of tasks
        task_base const* task = nullptr;
        time_point since{};  // when `turns` and `task` were first seen
        bool reported = false;
        std::atomic<bool> writing{false};  // does `writer` still need `task`, its worker, or stderr?
        std::thread writer;
    };

    // Tasks that get no stack, over all workers.
    struct starts {
        std::uint64_t refused = 0;
        std::uint64_t got = 0;  // stacks that were made, and tasks that have ended
        time_point since{};     // when `got` was first seen; later if for a while nobody was refused one
        time_point last{};      // when `refused` was last seen to have changed
        bool reported = false;
    };

    void run() noexcept;
    bool everybody_rests() const noexcept;
    void look_after_starts(time_point now) noexcept;
    void pass_a_tick() noexcept;
    void look_after(worker& w, watched& state, time_point now) noexcept;
    void take_over(worker& w) noexcept;
    bool is_kept(worker& w, watched const& state) const noexcept;
    void wait_for_events_of_kept(time_point until) noexcept;
    /// False if the one before is not yet written.
    bool report(worker& w, watched& state, std::chrono::nanoseconds kept) noexcept;

    scheduler& home_;
    std::vector<watched> watched_;
    starts starts_;
    std::unique_ptr<epoll_event[]> events_;
    // Of the workers that were kept at the last tick and have descriptors: the poller, and which worker it is.
    std::unique_ptr<pollfd[]> kept_pollers_;
    std::vector<unsigned> kept_;
    section_watch sections_;
    std::atomic<bool> asleep_{false};
    std::atomic<bool> stopping_{false};
    thread_parker parker_;
    std::thread thread_;
};

}  // namespace coir::detail
