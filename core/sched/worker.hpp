// SPDX-License-Identifier: BSL-1.0
#pragma once

// A worker: one scheduler thread with its queue, timers and poller.
//
// The loop runs on a fiber and calls tasks that have not started one after another on its own stack. A task that never
// blocks therefore costs neither a switch nor a stack. A task that blocks keeps the stack that it is on, with the
// loop's frame dead below it, and the worker goes on
//   - directly in the next ready task, if that has a stack, or
//   - in an idle fiber, whose loop goes on where it was suspended.
// A task that ends returns into the loop below it, perhaps on another worker than the one that called it; that loop goes
// on for the worker on which it now is. A loop that switches to a suspended task has nothing on its stack any more and
// becomes an idle fiber of that worker.
//
// Roles: the thread of the worker owns everything below except where another role is named.
//
// Invariants
//   1. What must not happen before a fiber has left its stack (publishing the suspended task, making the fiber
//      reusable) is done by whoever runs next on this worker: after_switch().
//   2. While a task runs, the worker has at least one idle fiber. So suspending never allocates and never fails; a
//      fresh task starts only after the reserve has been filled up.
//   3. Nothing derived from a worker pointer is used after a call that may suspend: switch_to() returns the worker on which
//      the fiber goes on.

#include "core/base/fault.hpp"
#include "core/fiber/fiber_pool.hpp"
#include "core/fiber/switch.hpp"
#include "core/io/reactor.hpp"
#include "core/queue/deque.hpp"
#include "core/sched/blocking_word.hpp"
#include "core/sched/counters.hpp"
#include "core/sched/lone_task.hpp"
#include "core/task/record_cache.hpp"
#include "core/time/timers.hpp"

#include <coir/core/task/fork_record.hpp>
#include <coir/core/task/task_base.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <sys/types.h>

namespace coir::detail {

class carrier;
class scheduler;

class worker : public fiber_thread {
public:
    /// So many timers at once, by the owner or by the monitor for it; then others have a turn. Guessed.
    static constexpr std::size_t k_fire_most = 256;

    worker(scheduler& home, unsigned index);
    worker(worker const&) = delete;
    worker& operator=(worker const&) = delete;
    ~worker();

    scheduler& home() const noexcept { return home_; }
    unsigned index() const noexcept { return index_; }
    /// What there is to do for a task that was started in some other way than by a worker before it goes into a queue
    /// again. False: its strand keeps it until it is its turn.
    COIR_NOINLINE static bool may_be_queued(task_base& task) noexcept;
    task_base* current_task() const noexcept { return current_task_.load(std::memory_order_relaxed); }
    reactor& poller() noexcept { return reactor_; }
    timers& timer_heap() noexcept { return timers_; }
    record_cache& records() noexcept { return records_; }
    counters const& stats() const noexcept { return counters_; }
    deque_thief<task_base> thief() noexcept { return queue_.thief(); }
    /// Does its current task have calls that others may take? A glance.
    bool has_open_calls() const noexcept { return forks_.stack.holds_any(); }
    lone_task& lone() noexcept { return lone_; }
    /// Is there a task in its queue that others may take?
    bool has_tasks_for_others() noexcept {
        auto const count = queue_.thief().size();
        return count > 1 || (count == 1 && !lone_.is_kept());
    }

    // --- for the monitor, which reads them from its own thread -------------------------------------------------------
    /// How often this worker has looked at its timers and its poller.
    std::uint64_t looks() const noexcept { return counters_.looks.read(); }
    /// Does it sleep in its poller, or has it not started or ended?
    bool rests() const noexcept { return rests_.load(std::memory_order_seq_cst); }
    pid_t thread_id() const noexcept { return thread_id_.load(std::memory_order_relaxed); }

    /// Runs this worker on the calling thread, whose own stack is `own`. Returns what comes back to that stack: this worker,
    /// when the scheduler has stopped it, or the section for whose sake it was handed to another thread.
    fiber_thread* carry(fiber& own) noexcept;
    /// Behind a switch to the stack of a task that had left its worker: the worker on which it now is takes over.
    static void arrive(fiber_thread* thread) noexcept;

    // --- for tasks that block their threads (blocking_section) ---------------------------------------------------------
    blocking_word& section() noexcept { return section_; }
    /// Sees to it that another thread stands by to carry this worker. Throws std::system_error or std::bad_alloc.
    void keep_a_spare_thread();
    /// It is not needed any more: no task is left.
    void release_spare_thread() noexcept;
    /// Would somebody or something wait if this worker stood still for a moment?
    bool has_work_for_others() noexcept;
    /// By the thread that carries this worker, on the stack of its current task: it does so no longer.
    void leave_thread() noexcept;
    /// The same thread carries it again, and goes on with that task.
    void come_back_to(task_base& task) noexcept;
    /// By whoever has it now, and leaves it to the spare thread.
    void hand_over_to_spare() noexcept;
    /// By the monitor, if the section of this number still goes on. False: it does not.
    bool hand_over_section(std::uint64_t number) noexcept;

    // --- called by the running task (tasks.cpp) ----------------------------------------------------------------------
    /// Puts a new task into the queue. Throws std::bad_alloc, with nothing changed.
    void push_new(task_base& task) {
        if (task.has(task_base::k_own_stack | task_base::k_on_strand)) [[unlikely]] {
            if (task.has(task_base::k_on_strand)) {
                push_new_on_strand(task);
                return;
            }
        } else {
            task.may_run_in_place = true;
        }
        // Counted before others can run it: an end that was counted before its spawn would make all tasks seem to have
        // ended.
        counters_.tasks_spawned.add(1);
        task.queue_place = queue_.owner().next_place();
        if (!queue_.owner().try_push(&task)) [[unlikely]] {
            push_new_into_full(task);
            return;
        }
        wake_another();
    }
    /// Lets the others have a turn.
    static void yield(worker* self) noexcept;
    /// See may_linger() of suspend.hpp.
    bool may_linger() noexcept;
    /// Before this worker next takes a task, it looks at its timers, its poller and the injector.
    void look_at_next_turn() noexcept {
        until_clock_ = 1;
        slice_ = 0;
    }
    /// Leaves the current task's stack; returns when it has been made ready and is its turn.
    static void park_current(worker* self) noexcept;
    /// See core/task/run_in_place.hpp.
    static bool try_run_in_place(task_base& awaited) noexcept;

    /// Runs a new task at once, up to its first suspension; the calling task goes on then. Throws std::bad_alloc, with
    /// nothing changed.
    static void run_eagerly(worker* self, task_base& task);

    /// Puts a task that was suspended into this worker's queue, and wakes a sleeping worker if there is something to do for it.
    void push_ready(task_base& task) noexcept;

    bool has_task_ids() const noexcept { return next_id_ != ids_end_; }
    void stock_task_ids() noexcept {
        if (!has_task_ids()) [[unlikely]] {
            take_ids();
        }
    }
    std::uint64_t next_task_id() noexcept {
        stock_task_ids();
        return next_id_++;
    }

    /// In a runtime with a seed, or by a fault point: now and then, lets the others have a turn although the current task need not wait.
    static void sometimes_yield(worker* self) noexcept;

    // --- fork.cpp: calls that the current task has put off, and others may take --------------------------------------
    /// What has no room on the fork stack. False: it must become a task. Throws std::bad_alloc.
    bool put_off_slowly(fork_record& call);
    /// Before the current task leaves this worker: they become tasks.
    void give_open_calls_away() noexcept {
        if (!forks_.stack.surely_empty()) [[unlikely]] {
            give_all_open_calls_away();
        }
    }

private:
    friend class scheduler;

    // How often a task that awaits others in its own place asks the clock whether anybody should have a turn.
    static constexpr unsigned k_in_place_between_checks = 64;

    enum class after : std::uint8_t { nothing, requeue_task, publish_task, keep_fiber, end_fiber };

    void take_this_thread() noexcept;
    static void leave_this_thread() noexcept;
    COIR_COLD void take_ids() noexcept;
    COIR_COLD void push_new_into_full(task_base& task);
    COIR_NOINLINE void push_new_on_strand(task_base& task) noexcept;

    // --- loop.cpp ------------------------------------------------------------------------------------------------------
    [[noreturn]] static void loop(fiber_thread* thread);
    [[noreturn]] static void own_stack_main(fiber_thread* thread);
    static worker* step(worker* self);
    static worker* run_new(worker* self, task_base& task);
    void send_back(task_base& task) noexcept;
    static worker* resume(worker* self, task_base& task);
    static worker* switch_to(worker* self, fiber& to, after what, task_base* task) noexcept;
    void set_current(task_base* task) noexcept { current_task_.store(task, std::memory_order_relaxed); }
    void after_switch() noexcept;
    void finish(task_base& task) noexcept;
    void drop_queued_entry(task_base& ended) noexcept;  // wherever it is, but in front: of a task run in place
    void drop_taken_entry(task_base& stale) noexcept;   // it has just been taken from a queue, and resumes nobody
    void fill_reserve();
    bool is_new(task_base& task) noexcept;
    bool owes_a_turn() noexcept {
        if (seeded_) [[unlikely]] {
            return next_random() % 2 == 0;
        }
        return --until_turn_check_ == 0 && has_run_long_in_place();
    }
    COIR_NOINLINE bool has_run_long_in_place() noexcept;
    COIR_NOINLINE bool others_are_due() noexcept;
    bool has_room_in_place() const noexcept;
    bool take_ready_entry(task_base& task) noexcept;
    // Waits for an eager task to suspend. On its own stack: a stale entry of it may still link through its record.
    struct eager_caller {
        task_base& task;
        eager_caller* outer;
    };
    COIR_NOINLINE void requeue_special(task_base& task) noexcept;
    COIR_NOINLINE void pass_turn(task_base& leaving) noexcept;
    void keep_idle(fiber& f) noexcept;

    void give_all_open_calls_away() noexcept;
    task_base* take_call_of(worker& victim);

    // --- find.cpp ------------------------------------------------------------------------------------------------------
    task_base* next_task() noexcept;       // waits until there is one; null: stop
    task_base* next_task_now() noexcept {  // null: nothing in sight
        if (--until_clock_ == 0) [[unlikely]] {
            if (task_base* const first = end_of_stretch()) {
                return first;
            }
        }
        if (shared_ &&
            COIR_FAULT(steal)) {  // alone it would only have the seed's numbers depend on how often it looked
            if (task_base* const stolen = steal_from_others()) {
                return stolen;
            }
        }
        task_base* const task = queue_.owner().take_front();
        return task != nullptr ? task : next_task_elsewhere();
    }
    COIR_NOINLINE task_base* end_of_stretch() noexcept;  // a task that comes before all others, or null
    task_base* take_eager_caller() noexcept;
    void seeded_turn() noexcept;
    std::uint64_t next_random() noexcept;
    COIR_NOINLINE task_base* next_task_elsewhere() noexcept;
    /// Timers or descriptors that somebody has to look at.
    bool expects_events() const noexcept { return reactor_.has_descriptors() || timers_.next_deadline() != k_never; }
    void look_around_if_late() noexcept;
    void fire_timers(clock::time_point now) noexcept;
    void dispatch_events() noexcept;
    void look_around() noexcept;
    void take_from_injector() noexcept;
    void end_search() noexcept;
    task_base* search() noexcept;
    task_base* steal_from_others() noexcept;
    task_base* steal_one_of(worker& victim) noexcept;
    task_base* take_call_of_others(unsigned first) noexcept;
    task_base* ask_for_call(worker& victim) noexcept;
    bool spin_for_work() noexcept;
    bool anything_to_do() noexcept;
    bool anything_anywhere() noexcept;
    void park() noexcept;
    void sleep_watched() noexcept;
    void get_up() noexcept;
    // A suspended task. (One of a strand may have to wait for its turn instead.)
    void push_local(task_base& task) noexcept {
        if (task.state_of_run() != task_base::run_state::started && !may_be_queued(task)) [[unlikely]] {
            return;
        }
        push_queue(task);
    }
    void push_queue(task_base& task) noexcept {
        if (COIR_FAULT(migrate)) {
            push_for_all(task);
        } else if (!queue_.owner().try_push(&task)) [[unlikely]] {
            push_into_full(task);
        }
    }
    COIR_NOINLINE void push_for_all(task_base& task) noexcept;
    COIR_NOINLINE void push_into_full(task_base& task) noexcept;
    // There is something for others, alone in the queue or not.
    void wake_another() noexcept {
        if (shared_) {
            lone_.give_up();
            wake_another_of_many();
        }
    }
    void wake_another_of_many() noexcept;
    // For a task that was in sight before and has only been out of the queue for a moment: a glance without a fence. Who
    // has just looked, and goes to sleep over it, is woken by the next one.
    void wake_if_anybody_sleeps() noexcept;

    scheduler& home_;
    unsigned const index_;
    bool const shared_;                // there are other workers
    bool const seeded_;                // everything that may be done in one order or another is decided by random_
    int core_ = -1;                    // on which to stay; -1: on any
    std::size_t const room_in_place_;  // bytes of stack that a task must have left to run another one on it

    std::atomic<task_base*> current_task_{nullptr};  // written by the owner; the monitor has a look at it
    task_base* handed_over_ = nullptr;               // to be run by the idle fiber that is switched to
    task_base* after_task_ = nullptr;
    after after_ = after::nothing;
    bool searching_ = false;
    bool gathers_ = false;                   // what becomes ready now is what this worker runs next
    unsigned until_clock_ = 1;               // tasks until the next look at the clock
    eager_caller* eager_callers_ = nullptr;  // the innermost
    unsigned slice_ = 0;                     // tasks until the next look at timers, poller and injector
    clock::time_point last_look_;
    unsigned until_turn_check_ = k_in_place_between_checks;
    clock::time_point last_turn_;
    std::size_t stale_entries_ = 0;  // at most so many entries of this queue are of tasks that were run in place
    std::uint64_t next_id_ = 0;      // of a block that was taken from all ids of the process
    std::uint64_t ids_end_ = 0;
    carrier* spare_ = nullptr;

    fiber_list idle_fibers_;
    counters counters_;
    std::uint64_t random_;
    record_cache records_;
    deque<task_base> queue_;
    lone_task lone_;
    worker* robbed_ = nullptr;  // who had the task that this worker stole last, if it was a single one
    clock::time_point robbed_at_;
    fork_place forks_;
    timers timers_;
    reactor reactor_;
    blocking_word section_;
    std::atomic<bool> rests_{true};
    std::atomic<pid_t> thread_id_{0};
};

}  // namespace coir::detail
