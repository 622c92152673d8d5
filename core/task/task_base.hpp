// SPDX-License-Identifier: BSL-1.0
#pragma once

// A task as the runtime knows it. The typed parts (callable, result) are in task.hpp.
//
// Life: created -> started (or started_in_place) -> done. Only the worker that runs a task writes its plain members;
// other threads go through the words below.
//
//   run_state_       created -> started | started_in_place, by whoever runs it first: the worker that takes it from a
//                    queue, or the task that awaits it and runs it on its own stack; a task of a strand is taken by
//                    workers only, and then is started_on_strand. A worker that has no stack for it goes back to created
//   in_place_ready_  only for started_in_place, whose old queue entry may still lie somewhere: of two entries, exactly
//                    the one that takes this flag resumes the task, the other one is stale
//   word (waiter)    the current wait
//   cancel_          requests: see cancel_word below
//
// References: one for the handle, one for the runtime, which the worker that ran the task releases; for one run in place,
// whoever finds its stale queue entry. (With one worker that is taken out first, and the reference goes with the handle's.)

#include <coir/core/base/clock.hpp>
#include <coir/core/task/coroutine_root.hpp>
#include <coir/core/task/shared_state.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/core/task/timer_node.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace coir::detail {

/// Does the calling task's stack unwind? As std::uncaught_exceptions() > 0, which goes through the thread-local
/// storage of another library. Defined by core/sched.
bool this_stack_unwinds() noexcept;

class scheduler;
struct fiber;

class done_callbacks;
class strand_state;
struct context_values;
struct local_values;

/// Things that few tasks have, made when the first of them is wanted.
struct task_extra {
    // Under the lock of the cancel word:
    std::string name;
    cancel_reason reason;  // of the last request
    // Set before the task is spawned, or by itself:
    std::size_t stack_size = 0;
    coroutine_root coroutines;
    std::shared_ptr<strand_state> strand;
    std::shared_ptr<context_values const> context;
    std::shared_ptr<local_values> locals;
    // By anybody, see done_callbacks.hpp:
    callback_slot callbacks;
    // The task's own:
    std::size_t deeper_shields = 0;
};

/// What a new task needs of the place where it is spawned: looked up once.
struct birth {
    void* memory;  ///< of the wanted size class, uninitialised
    scheduler* home;
    task_base* parent;
    std::uint64_t id;  ///< that no other task of the process has or had
    std::uint32_t home_number;
};

/// A time within which a task wants a part of its work done. Lies in the frame of that part.
struct time_limit {
    clock::time_point when;
    timer_node const& timer;            // of the cancellation at that time
    time_limit* outer = nullptr;        // of the same task
    std::atomic<bool> expired = false;  // the timer cancels the task, or has done so
};

/// Something that a task wants done before it suspends. Belongs to whoever sets it.
struct suspension_hook {
    void (*call)(suspension_hook&) noexcept = nullptr;
};

class task_base : public shared_state_base, public waiter {
public:
    enum class run_state : std::uint8_t {
        dormant,  ///< not spawned yet: a callback that waits for its cause
        created,
        started,
        started_in_place,
        started_on_strand
    };

    /// What is not so with most tasks. Written before the task is spawned, and then by itself.
    enum trait : std::uint8_t {
        k_own_stack = 1,             ///< of a size of its own
        k_on_strand = 2,             ///< belongs to a strand
        k_has_context = 4,           ///< context variables were set
        k_has_locals = 8,            ///< there are fiber_local objects
        k_starts_if_cancelled = 16,  ///< and its suspension points throw then
        k_forked_call = 32           ///< its caller can run it
    };

    bool is_task() const noexcept final { return true; }

    std::uint64_t id() const noexcept { return id_; }
    std::string name();
    void set_name(std::string name);
    /// For the handler of a fault in this very task: copies as much of the name as fits, without allocating and without
    /// the lock. Returns the length.
    std::size_t copy_name(char* buffer, std::size_t size) const noexcept;

    /// The task that spawned this one, if its record still lives.
    state_ptr<task_base> parent() const noexcept;
    bool was_spawned_by(task_base const& other) const noexcept { return parent_id_ == other.id_; }
    scheduler& home() const noexcept { return *home_; }
    /// A number that no other runtime of the process has or had.
    std::uint32_t home_number() const noexcept { return home_number_; }

    // --- cancellation ----------------------------------------------------------------------------------------------
    bool request_cancel(cancel_reason reason) noexcept final;
    /// How many requests have not been taken back by uncancel().
    unsigned cancelling() const noexcept;
    unsigned uncancel() noexcept;
    /// What the last request gave as its reason; null without one.
    cancel_reason reason_of_request() noexcept;
    /// For the task itself: is there something to be thrown at this point?
    bool cancel_is_pending() const noexcept {
        return (cancel_.load(memory_order_seq_cst) & (k_requested | k_shutting_down)) != 0;
    }
    /// For the task itself: the same, and may it be thrown here?
    bool cancel_is_due() const noexcept { return cancel_is_pending() && accepts_cancel(); }
    /// For a scope that made one request of its own since it saw `at_entry` of them: takes that back, and with it the
    /// request itself unless others made one. True if others did.
    bool take_back_own_request(unsigned at_entry, bool pending_at_entry) noexcept;
    /// For the task itself: makes a request that was delivered already pending again.
    void rearm_cancel() noexcept;
    /// For the task itself: clears the request and throws it.
    [[noreturn]] void deliver_cancel();
    /// Every suspension point throws from now on.
    void cancel_for_shutdown() noexcept;
    /// For the task itself: may a cancellation be thrown here, that is, no shield and no unwinding?
    bool accepts_cancel() const noexcept { return shield_depth_ == 0 && !this_stack_unwinds(); }

    /// For the task itself: while it waits for `target`, a request goes to `target`. False if a request is pending.
    bool start_forwarding_cancel(shared_state_base& target) noexcept;
    /// True if a request was passed on meanwhile: then call take_up_request_of() when the awaited one is done.
    [[nodiscard]] bool stop_forwarding_cancel() noexcept;
    /// For the task itself: if a request that it passed on has not been delivered to `awaited`, which has ended with a result
    /// all the same, it is this task's again.
    void take_up_request_of(shared_state_base& awaited) noexcept;
    /// For the task itself, which has passed its cancellation on to `target`: waits for the end of that, and no request
    /// ends the wait. False if `target` waits for this task in turn: then it is left, if it `may_be_left`; else one of the
    /// others in that circle leaves.
    bool await_end(shared_state_base& target, bool may_be_left) noexcept;
    /// If this task and others wait for each other's ends in a circle, one of them that may leave is interrupted.
    void break_circle() noexcept;
    /// For the task itself: was a request made that has not been delivered?
    bool has_request() const noexcept { return (cancel_.load(memory_order_seq_cst) & k_requested) != 0; }
    /// For the task itself: cancels `target` in its own place, if that is not done yet.
    void forward_pending_cancel(shared_state_base& target) noexcept;

    // A task that is run in place forwards nothing as long as it runs through: nobody could tell. At its first suspension
    // the whole chain of tasks that wait below it on this stack starts to forward, and passes on what has come meanwhile.
    void run_in_place_for(task_base& awaiter) noexcept {
        awaiter_in_place_ = &awaiter;
        run();
        if (std::exchange(awaiter_in_place_, nullptr) == nullptr && awaiter.stop_forwarding_cancel()) {
            awaiter.take_up_request_of(*this);
        }
    }
    /// For the task itself, before each suspension.
    void before_suspension() noexcept {
        if (awaiter_in_place_ != nullptr || hook_ != nullptr) [[unlikely]] {
            run_hooks_and_publish_awaiters();
        }
    }
    /// For the task itself: called once, before it next suspends (or whoever it then awaits in place). Null: not any more.
    void call_before_suspension(suspension_hook* hook) noexcept { hook_ = hook; }
    /// Does it wait for another one, to which a cancellation goes? For tests and reports.
    bool forwards_cancel() const noexcept { return (cancel_.load(memory_order_seq_cst) & k_forwarding) != 0; }

    // For reports, while the task is suspended and nothing can resume it, or outside of its worker: what it waits for, or the
    // task or future that it awaits.
    void set_waits_for(wait_subject const* what) noexcept { waits_for_.store(what, memory_order_relaxed); }
    wait_subject const* waits_for() const noexcept { return waits_for_.load(memory_order_relaxed); }
    shared_state_base* awaits() const noexcept { return forwards_cancel() ? awaiting_ : nullptr; }

    // Its time limits in force. By any thread: a generator's body may be left, or move its limit, on another task than
    // the one that entered it.
    void enter(time_limit& limit) noexcept;
    void leave(time_limit& limit) noexcept;
    void move(time_limit& limit, clock::time_point when) noexcept;
    /// k_never without any.
    clock::time_point nearest_limit() noexcept;

    bool is_shielded() const noexcept { return shield_depth_ != 0; }
    void shield() noexcept {
        if (shield_depth_ == k_most_shields_here) [[unlikely]] {
            shield_deeper();
        } else {
            ++shield_depth_;
        }
    }
    void unshield() noexcept {
        if (shield_depth_ != k_most_shields_here || !unshield_deeper()) [[likely]] {
            --shield_depth_;
        }
    }

    /// As for any state, but without asking what it is.
    void join() {
        if (!is_done()) {
            join_unfinished_task();
        }
    }

    // --- running ---------------------------------------------------------------------------------------------------
    /// The first time: true for the one who has to run it.
    bool claim_start(run_state how, bool shared) noexcept {
        if (!shared) {
            return run_state_.load(memory_order_relaxed) == run_state::created &&
                   (run_state_.store(how, memory_order_relaxed), true);
        }
        run_state expected = run_state::created;
        return run_state_.compare_exchange_strong(expected, how, memory_order_acq_rel, memory_order_acquire);
    }
    /// By the one who was to run it and cannot: it is as if nobody had tried.
    void unclaim_start() noexcept { run_state_.store(run_state::created, memory_order_release); }
    run_state state_of_run() const noexcept { return run_state_.load(memory_order_acquire); }

    /// Runs the callable, stores its result and wakes who waits. Never throws. May return on another thread.
    void run() noexcept;
    /// Instead of running it, by who has claimed its start: destroys the callable and ends the task as cancelled.
    void end_unstarted() noexcept;
    /// For the task itself. Throws std::bad_alloc.
    coroutine_root& coroutines();

    // --- references ------------------------------------------------------------------------------------------------
    // What is read and written here belongs to the one handle, and to whoever runs the task in place on its behalf.
    /// The runtime's reference goes together with the handle's, by one read-modify-write.
    void release_with_handle() noexcept { handle_references_ = 2; }
    void release_handle() noexcept { release_references(handle_references_); }

    /// Instead of spawning it: destroys the callable, ends the task as cancelled and releases both of its references.
    void abandon_unspawned() noexcept;

    // The scheduler's, while it holds the task.
    task_base* queue_next = nullptr;
    union {
        fiber* suspended_on = nullptr;
        std::int64_t queue_place;  // until it is started: where its entry was put, if that was into a deque
    };
    /// Before it is made ready once more: the next entry that somebody takes resumes it. (Release: that may be a stale one,
    /// which another worker holds.)
    void expect_entry() noexcept {
        if (state_of_run() == run_state::started_in_place) {
            in_place_ready_.store(true, memory_order_release);
        }
    }
    atomic<bool> in_place_ready_{false};
    /// Only if it may run in place: how many of its entries are one link in the injector (at most two).
    atomic<std::uint8_t> linked_entries_{0};
    std::uint8_t traits_ = 0;
    /// Its queue entry lies in a deque, which does not link through the record; so a second entry may exist.
    bool may_run_in_place = false;

    bool has(std::uint8_t traits) const noexcept { return (traits_ & traits) != 0; }
    void add_trait(trait t) noexcept { traits_ |= t; }
    /// The worker has claimed its start.
    void start_on_strand() noexcept { run_state_.store(run_state::started_on_strand, memory_order_release); }
    /// Between these two it is in no queue, and no list of tasks shows it. By its maker, and by whoever then spawns it.
    void make_dormant() noexcept { run_state_.store(run_state::dormant, memory_order_relaxed); }
    void end_dormancy() noexcept { run_state_.store(run_state::created, memory_order_relaxed); }
    /// Before it is spawned, `child` takes the context of `parent`, and its strand unless it has one of its own. Null: what
    /// the calling thread has of a context.
    static void inherit(task_base& child, task_base* parent);
    strand_state& strand() noexcept { return *extra().strand; }
    void join_strand(std::shared_ptr<strand_state> strand);

    /// Before it is spawned.
    void set_own_stack_size(std::size_t size);
    std::size_t own_stack_size() noexcept { return extra().stack_size; }
    callback_slot& callbacks() final { return extra().callbacks; }

protected:
    explicit task_base(birth const& born) noexcept
        : waiter(kind::task), home_number_(born.home_number), home_(born.home), id_(born.id),
          parent_id_(born.parent != nullptr ? born.parent->id_ : 0), parent_(born.parent) {}
    ~task_base() override {
        if (task_extra* const more = extra_.load(memory_order_acquire)) [[unlikely]] {
            delete_extra(more);
        }
    }

    /// Runs the callable and destroys it; stores the value. Throws what the callable throws.
    virtual void invoke() = 0;
    /// Destroys a callable that will not run.
    virtual void discard() noexcept = 0;

    /// Reports an exception that nobody has retrieved.
    void destroy() noexcept override;

public:
    task_extra& extra() {
        task_extra* const found = extra_.load(memory_order_acquire);
        return found != nullptr ? *found : make_extra();
    }

private:
    friend class scheduler;

    void join_unfinished_task();
    COIR_COLD void cancel_unstarted() noexcept;
    task_extra& make_extra();
    static void delete_extra(task_extra* extra) noexcept;
    void end_locals() noexcept;

    static constexpr std::uint16_t k_most_shields_here = 0xffff;
    COIR_COLD void shield_deeper() noexcept;
    /// False if there is none.
    COIR_COLD bool unshield_deeper() noexcept;

    // cancel_: the lock of the request, flags, and the count of requests.
    //   k_forwarding   it waits for *awaiting_, to which requests go
    //   k_awaiting     it waits for *awaiting_, to which a request has gone; more of them stay here
    //   k_may_leave    with either: break_circle() may end the wait
    //   k_passed_on    a request has gone to *awaiting_ during this wait
    // The first three are set by the task itself, never while somebody holds the lock, after it has written awaiting_; cleared
    // by it at any time, whereupon it waits for a holder of the lock: that one may still be about to take its reference to
    // *awaiting_. So a join costs two read-modify-writes, not four.
    //
    // Circles. Who waits for a task in one of these ways first says so, then prepares its wait, and then looks for a
    // circle (in get(): if somebody has interrupted it meanwhile). Of those that close a circle the last one sees it
    // whole, or a request that comes later does: an edge goes only when its target has ended, or by an interruption.
    static constexpr std::uint32_t k_locked = 1;
    static constexpr std::uint32_t k_requested = 2;
    static constexpr std::uint32_t k_shutting_down = 4;
    static constexpr std::uint32_t k_forwarding = 8;
    static constexpr std::uint32_t k_awaiting = 16;
    static constexpr std::uint32_t k_may_leave = 32;
    static constexpr std::uint32_t k_passed_on = 64;
    static constexpr std::uint32_t k_one_request = 128;
    static constexpr unsigned k_count_shift = 7;

    class cancel_lock;
    class chain_walk;

    enum class cancel_result : std::uint8_t { done_already, delivered, kept, forward };
    cancel_result request_cancel_here(cancel_reason const& reason, bool again,
                                      state_ptr<shared_state_base>& forward_to) noexcept;
    void keep_reason_of(cancel_reason const& reason) noexcept;  // under the lock
    // Of this task and of all that wait below it on this stack: calls their hooks, and lets them forward from now on.
    void run_hooks_and_publish_awaiters() noexcept;
    void call_hook() noexcept;
    bool say_what_is_awaited(shared_state_base& target, std::uint32_t how, std::uint32_t unless) noexcept;
    state_ptr<task_base> awaited_task() noexcept;
    bool is_in_circle() noexcept;
    bool leave_circle() noexcept;

    atomic<std::uint32_t> cancel_{0};
    atomic<run_state> run_state_{run_state::created};
    std::uint8_t handle_references_ = 1;
    std::uint16_t shield_depth_ = 0;  // the shields beyond k_most_shields_here are counted in extra_
    std::uint32_t home_number_;
    scheduler* home_;
    std::uint64_t id_;
    std::uint64_t parent_id_;
    shared_state_base* parent_;              // perhaps gone: see parent()
    shared_state_base* awaiting_ = nullptr;  // valid under cancel_'s lock while k_forwarding or k_awaiting is set
    atomic<wait_subject const*> waits_for_{nullptr};
    suspension_hook* hook_ = nullptr;
    time_limit* limits_ = nullptr;           // the last one entered first; under cancel_'s lock
    task_base* awaiter_in_place_ = nullptr;  // on whose stack this one runs, until it first suspends
    atomic<task_extra*> extra_{nullptr};     // owned; once made, it stays
};

}  // namespace coir::detail
