// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the workers of one runtime share.
//
// Roles: workers; threads outside, which spawn and wake through the injector; the thread that shuts down.

#include "core/park/idle.hpp"
#include "core/queue/injector.hpp"
#include "core/sched/carriers.hpp"
#include "core/sched/monitor.hpp"
#include "core/sched/standstill.hpp"
#include "core/sched/worker.hpp"

#include <coir/core/base/lock.hpp>
#include <coir/core/sched/options.hpp>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coir {
class runtime;
}

namespace coir::detail {

class scheduler {
public:
    /// Starts the workers. Throws std::invalid_argument for bad options, std::system_error or std::bad_alloc when the
    /// process is out of something.
    explicit scheduler(runtime_options options);
    scheduler(scheduler const&) = delete;
    scheduler& operator=(scheduler const&) = delete;
    ~scheduler();

    runtime_options const& options() const noexcept { return options_; }
    /// What the names of its threads begin with.
    std::string_view name_of_threads() const noexcept {
        return options_.name.empty() ? "coir" : std::string_view(options_.name);
    }
    std::uint32_t number() const noexcept { return number_; }
    unsigned worker_count() const noexcept { return options_.workers; }
    worker& worker_at(unsigned index) noexcept { return *workers_[index]; }
    injector<task_base>& global_queue() noexcept { return injector_; }
    idle& idlers() noexcept { return idle_; }
    fiber_pool& fibers() noexcept { return fibers_; }
    carriers& threads() noexcept { return carriers_; }
    monitor& watcher() noexcept { return monitor_; }
    standstill& still() noexcept { return standstill_; }
    clock::time_point clock_now() const noexcept { return standstill_.now(); }
    /// The runtime object that users see.
    runtime* facade = nullptr;
    bool is_stopping() const noexcept { return stopping_.load(std::memory_order_seq_cst); }
    /// True from the moment at which tasks are cancelled: whatever is spawned then is cancelled too.
    bool is_shutting_down() const noexcept { return shutting_down_.load(std::memory_order_acquire); }

    /// Puts a new task, of which the runtime holds a reference, into a queue: the calling worker's if it is one of this
    /// runtime. Throws no_running_runtime when the runtime has shut down, std::bad_alloc.
    void spawn(task_base& task);
    /// Puts a suspended task back.
    void make_ready(task_base& task) noexcept;

    /// The same, on a thread that is none of its workers; without a look at the task's strand, of which it has the turn.
    void push_from_outside(task_base& task) noexcept;

    /// Puts a task into the injector.
    void push_global(task_base& task) noexcept;
    /// To be called for each task that was taken out of it.
    static void unlinked(task_base& task) noexcept;

    /// For whoever has pushed, after the push: wakes a sleeping worker if none looks for work already. True if it did.
    /// (A worker that pushes to its own queue calls this only if there are others: see worker::wake_another().)
    bool wake_a_sleeper() noexcept {
        int const sleeper = idle_.choose_sleeper_to_wake();
        if (sleeper == idle::k_nobody) [[likely]] {
            return false;
        }
        worker_at(static_cast<unsigned>(sleeper)).poller().interrupt();
        return true;
    }

    /// Has a task ever put a call on its worker's fork stack? From then on who goes to sleep has to look harder.
    bool uses_forks() const noexcept { return uses_forks_.load(std::memory_order_relaxed); }
    /// Before the first of these calls is made visible; a full fence comes between that and the look for sleepers.
    void use_forks() noexcept {
        if (!uses_forks()) {
            uses_forks_.store(true, std::memory_order_release);
        }
    }

    /// Cancels all tasks, waits until they have ended, stops the workers. Idempotent; not from one of its own tasks.
    void shut_down();

    /// Called by workers when a task has ended and somebody waits for the last one.
    void task_ended() noexcept {
        if (draining_.load(std::memory_order_acquire)) [[unlikely]] {
            notify_drain();
        }
    }

    runtime_stats stats() const;

    /// Has every task ended that was ever spawned? Exact while nobody spawns.
    bool all_ended() const noexcept;
    /// How many runtimes of the process live.
    static std::size_t live_count() noexcept;

    /// outlook::deadlock was seen: makes the report and cancels all tasks. Once; again when some task has run since.
    void break_deadlock() noexcept;
    /// How many there have been.
    std::uint64_t deadlocks() const;
    /// The report of the last one, if there were more than `before`.
    std::optional<std::string> deadlock_since(std::uint64_t before) const;

    /// While it lives, no worker that rests gets up. So if all of them rest, no task moves, and what tasks wait for can be
    /// read where it lies. Not for workers, and not for long.
    class all_kept_down {
    public:
        explicit all_kept_down(scheduler& home) : home_(home), guard_(home.keep_down_lock_) {
            home.kept_down_.store(true, std::memory_order_seq_cst);
        }
        all_kept_down(all_kept_down const&) = delete;
        all_kept_down& operator=(all_kept_down const&) = delete;
        ~all_kept_down() { home_.kept_down_.store(false, std::memory_order_seq_cst); }

        /// With nothing that would make one get up.
        bool all_rest() const noexcept;

    private:
        scheduler& home_;
        std::lock_guard<std::mutex> guard_;
    };
    /// For a worker that has just said that it rests no more. Either it sees kept_down_ and waits here, or who has set that
    /// sees that it does not rest: both say theirs before they look at the other's (sequentially consistent).
    void wait_until_not_kept_down() noexcept {
        if (kept_down_.load(std::memory_order_seq_cst)) [[unlikely]] {
            std::lock_guard const until_then(keep_down_lock_);
        }
    }

    /// Calls `action` if the runtime of this number lives, under the register's lock, which keeps it alive meanwhile.
    static void with_live(std::uint32_t number, void (*action)(scheduler&, void*) noexcept, void* context) noexcept;

    using unhandled_handler = std::function<void(task_ref, std::exception_ptr)>;
    std::shared_ptr<unhandled_handler const> on_unhandled() const noexcept { return on_unhandled_; }

    /// What a higher layer keeps here until the runtime ends (the default executor); `at_end` is then called with it. One that
    /// is replaced is kept as well: its end may have to wait for work, which the replacement must not.
    struct attachment {
        std::shared_ptr<void> object;
        void (*at_end)(void* object) = nullptr;
    };
    std::shared_ptr<void> attachment_or_make(attachment (*make)());
    void set_attachment(attachment value);

    /// The tasks of this runtime that have not ended.
    std::vector<state_ptr<task_base>> live_tasks() const;
    /// The same, without memory for a list.
    void cancel_live_tasks(void (*cancel)(task_base&) noexcept) const noexcept;

private:
    static runtime_options checked(runtime_options options);
    // From the moment at which a task can be resumed it may run, end, and let the runtime end: that waits until the thread that
    // wakes it has left. The destructor releases; partner is the acquire in shut_down().
    class foreign_waker {
    public:
        explicit foreign_waker(scheduler& home) noexcept : count_(home.foreign_wakers_) {
            count_.fetch_add(1, std::memory_order_relaxed);
        }
        foreign_waker(foreign_waker const&) = delete;
        foreign_waker& operator=(foreign_waker const&) = delete;
        ~foreign_waker() { count_.fetch_sub(1, std::memory_order_release); }

    private:
        std::atomic<std::uint32_t>& count_;
    };
    void drop_late_entries() noexcept;

    void start_threads();
    void stop_threads() noexcept;
    void cancel_all_tasks() noexcept;
    void drain();
    void notify_drain() noexcept;
    void wake_all_workers() noexcept;
    void warn_of_refusers();

    runtime_options const options_;
    std::shared_ptr<unhandled_handler const> const on_unhandled_;
    std::uint32_t const number_;
    fiber_pool& fibers_;
    idle idle_;
    injector<task_base> injector_;
    std::vector<std::unique_ptr<worker>> workers_;
    carriers carriers_;
    monitor monitor_;
    standstill standstill_;
    std::atomic<std::uint64_t> spawned_outside_{0};
    std::atomic<std::uint32_t> foreign_wakers_{0};  // inside make_ready() on threads that are not its workers
    std::atomic<bool> uses_forks_{false};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> shutting_down_{false};
    std::atomic<bool> closed_{false};
    std::atomic<bool> draining_{false};
    std::mutex drain_lock_;
    std::condition_variable drained_;
    std::mutex shutdown_lock_;
    bool shut_down_ = false;
    std::atomic<bool> kept_down_{false};
    std::mutex keep_down_lock_;
    spin_mutex mutable deadlock_lock_;
    std::uint64_t deadlocks_ = 0;             // under deadlock_lock_, as all about them
    std::uint64_t moves_until_deadlock_ = 0;  // of tasks: see break_deadlock()
    std::string deadlock_report_;
    std::mutex attachment_lock_;
    void end_attachments();
    attachment attachment_;
    std::vector<attachment> replaced_attachments_;
};

}  // namespace coir::detail
