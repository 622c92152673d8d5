// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/task_base.hpp>

#include <coir/core/base/assert.hpp>
#include <coir/core/base/back_off.hpp>

#include "core/base/fault.hpp"
#include "core/task/heritage.hpp"
#include "core/task/strand_state.hpp"
#include "core/task/task_events.hpp"

#include <coir/core/task/task_ref.hpp>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace coir::detail {

// The lock bit of cancel_. Held for a few instructions; see wait_word.hpp for what it protects.
class task_base::cancel_lock {
public:
    explicit cancel_lock(task_base& t) noexcept : cancel_(t.cancel_) {
        back_off wait;
        while ((cancel_.fetch_or(k_locked, memory_order_seq_cst) & k_locked) != 0) {
            wait.pause();
        }
    }
    cancel_lock(cancel_lock const&) = delete;
    cancel_lock& operator=(cancel_lock const&) = delete;
    ~cancel_lock() { cancel_.fetch_and(~k_locked, memory_order_seq_cst); }

    std::uint32_t bits() const noexcept { return cancel_.load(memory_order_relaxed); }
    // Others change only k_locked and k_forwarding meanwhile, and that by operations that leave the rest alone.
    void set(std::uint32_t bits) noexcept { cancel_.fetch_or(bits, memory_order_seq_cst); }
    void clear(std::uint32_t bits) noexcept { cancel_.fetch_and(~bits, memory_order_seq_cst); }
    void count(std::uint32_t by) noexcept { cancel_.fetch_add(by, memory_order_seq_cst); }

private:
    atomic<std::uint32_t>& cancel_;
};

void task_base::delete_extra(task_extra* extra) noexcept {
    delete extra;
}

void task_base::destroy() noexcept {
    if (is_done() && has_error() && !was_cancelled() && !error_was_retrieved()) {
        // The handler gets a task_ref, and may keep it: the record lives once more, retrieved this time.
        std::exception_ptr const failure = error();
        record_references(this).store(1, memory_order_release);
        report_unretrieved(*this, home_number_, failure);
        release_reference();
        return;
    }
    delete this;
}

task_extra& task_base::make_extra() {
    auto made = std::make_unique<task_extra>();
    task_extra* found = nullptr;
    if (extra_.compare_exchange_strong(found, made.get(), memory_order_acq_rel, memory_order_acquire)) {
        return *made.release();
    }
    return *found;
}

std::string task_base::name() {
    {
        cancel_lock const lock(*this);
        task_extra const* const more = extra_.load(memory_order_acquire);
        if (more != nullptr && !more->name.empty()) {
            return more->name;
        }
    }
    return "task-" + std::to_string(id_);
}

void task_base::set_name(std::string name) {
    cancel_lock const lock(*this);
    extra().name.swap(name);
}

void task_base::set_own_stack_size(std::size_t size) {
    extra().stack_size = size;
    add_trait(k_own_stack);
}

void task_base::join_strand(std::shared_ptr<strand_state> strand) {
    extra().strand = std::move(strand);
    add_trait(k_on_strand);
}

void task_base::inherit(task_base& child, task_base* parent) {
    if (parent != nullptr && parent->has(k_on_strand) && !child.has(k_on_strand)) {
        child.join_strand(parent->extra().strand);
    }
    auto values = parent == nullptr            ? values_of_caller()
                  : parent->has(k_has_context) ? parent->extra().context
                                               : nullptr;
    if (values) {
        child.extra().context = std::move(values);
        child.add_trait(k_has_context);
    }
}

// Their destructors are the user's: they may wait, even while the runtime shuts down (a cancellation that came out of one
// would end the process), and may ask for other objects.
void task_base::end_locals() noexcept {
    cancel_shield const shield;
    while (extra().locals) {
        auto const ending = std::exchange(extra().locals, nullptr);
        while (!ending->entries.empty()) {
            auto const last = std::move(ending->entries.back().object);
            ending->entries.pop_back();
        }
    }
}

coroutine_root& task_base::coroutines() {
    cancel_lock const lock(*this);
    return extra().coroutines;
}

std::size_t task_base::copy_name(char* buffer, std::size_t size) const noexcept {
    if (size == 0) {
        return 0;
    }
    task_extra const* const more = extra_.load(memory_order_acquire);
    if (more != nullptr && !more->name.empty()) {
        std::size_t const length = std::min(size, more->name.size());
        std::memcpy(buffer, more->name.data(), length);
        return length;
    }
    char digits[20];
    std::size_t count = 0;
    for (std::uint64_t rest = id_; count == 0 || rest != 0; rest /= 10) {
        digits[count++] = static_cast<char>('0' + rest % 10);
    }
    std::string_view const prefix = "task-";
    std::size_t length = 0;
    for (char const c : prefix) {
        if (length < size) {
            buffer[length++] = c;
        }
    }
    while (count != 0 && length < size) {
        buffer[length++] = digits[--count];
    }
    return length;
}

state_ptr<task_base> task_base::parent() const noexcept {
    // The record may belong to something else by now: then it is no task, or one with another id.
    if (parent_ == nullptr || !try_add_reference(parent_)) {
        return {};
    }
    auto const found = state_ptr<shared_state_base>::adopt(parent_);
    if (!found->is_task()) {
        return {};
    }
    auto* const task = static_cast<task_base*>(found.get());
    return task->id_ == parent_id_ ? state_ptr<task_base>::share(task) : state_ptr<task_base>{};
}

void task_base::run() noexcept {
    if (cancel_is_pending() && !has(k_starts_if_cancelled)) [[unlikely]] {
        cancel_unstarted();
    } else {
        try {
            invoke();
        } catch (...) {
            set_current_exception();
        }
        if (has(k_has_locals)) [[unlikely]] {
            end_locals();
        }
    }
    complete();
}

// Out of line, as are all rare things on the way of a task: so that run() saves few registers.
void task_base::cancel_unstarted() noexcept {
    discard();
    set_cancelled(std::make_exception_ptr(cancelled(reason_of_request())));
}

void task_base::end_unstarted() noexcept {
    discard();
    set_cancelled();
    complete();
}

void task_base::abandon_unspawned() noexcept {
    end_unstarted();
    release_reference();
    release_reference();
}

void task_base::shield_deeper() noexcept {
    ++extra().deeper_shields;
}

bool task_base::unshield_deeper() noexcept {
    task_extra* const more = extra_.load(memory_order_acquire);
    if (more == nullptr || more->deeper_shields == 0) {
        return false;
    }
    --more->deeper_shields;
    return true;
}

void task_base::keep_reason_of(cancel_reason const& reason) noexcept {
    task_extra* more = extra_.load(memory_order_acquire);
    if (more == nullptr && reason) {
        try {
            more = &make_extra();
        } catch (std::bad_alloc const&) {
            return;  // the request stands without its reason
        }
    }
    if (more != nullptr) {
        more->reason = reason;
    }
}

// A walk from each task to the one that it awaits, which may come round: Brent's algorithm (An improved Monte Carlo
// factorization algorithm, 1980).
class task_base::chain_walk {
public:
    explicit chain_walk(state_ptr<task_base> start) noexcept : mark_(std::move(start)) {}

    /// Once round a circle at the latest after it has been walked twice.
    bool comes_round_at(state_ptr<task_base> const& next) noexcept {
        if (next.get() == mark_.get()) {
            return true;
        }
        if (++hops_ == next_mark_) {
            mark_ = next;
            next_mark_ *= 2;
        }
        return false;
    }

private:
    state_ptr<task_base> mark_;
    std::size_t hops_ = 0;
    std::size_t next_mark_ = 2;
};

// `forward_to`: what could not be cancelled, if this task has had the request already and should have passed it on there;
// else null. Then what it is to be passed on to.
task_base::cancel_result task_base::request_cancel_here(cancel_reason const& reason, bool again,
                                                        state_ptr<shared_state_base>& forward_to) noexcept {
    wait_step step = wait_step::nothing;
    {
        cancel_lock lock(*this);
        if (is_done()) {
            return cancel_result::done_already;
        }
        if (!again) {
            keep_reason_of(reason);
            lock.count(k_one_request);
        }
        if ((lock.bits() & k_forwarding) != 0) {
            if (awaiting_ != forward_to.get()) {
                lock.set(k_passed_on);
                forward_to = state_ptr<shared_state_base>::share(awaiting_);
                return cancel_result::forward;
            }
            lock.set(k_requested);  // it is about to go on
            return cancel_result::delivered;
        }
        lock.set(k_requested);
        if ((lock.bits() & k_awaiting) != 0) {
            return cancel_result::kept;
        }
        step = word.cancel();
    }
    if (step == wait_step::make_ready) {
        make_ready();
    }
    return cancel_result::delivered;
}

// A task that awaits another one passes the request on, and so on down the chain: a loop, as chains may be long. Of
// tasks that await each other in a circle (a deadlock) one gets it. What was to get it may end meanwhile: then its awaiter
// is asked again, which may have gone on to wait for something else.
bool task_base::request_cancel(cancel_reason reason) noexcept {
    auto target = state_ptr<task_base>::share(this);
    chain_walk walk(target);
    state_ptr<shared_state_base> forward_to;
    bool again = false;  // the target has counted this request
    for (;;) {
        cancel_result const result = target->request_cancel_here(reason, again, forward_to);
        if (result == cancel_result::done_already) {
            if (target.get() == this) {
                return false;
            }
            target = state_ptr<task_base>::share(this);
            walk = chain_walk(target);
            forward_to = {};
            again = true;
            continue;
        }
        if (result == cancel_result::kept) {
            target->break_circle();
        }
        if (result != cancel_result::forward) {
            return true;
        }
        again = true;
        if (!forward_to->is_task()) {
            COIR_FAULT_DELAY(delay_cancel);
            if (forward_to->request_cancel(reason)) {
                return true;
            }
            continue;
        }
        auto next = state_ptr<task_base>::share(static_cast<task_base*>(forward_to.get()));
        if (next->is_done()) {
            continue;
        }
        if (walk.comes_round_at(next)) {
            target->break_circle();
            return true;
        }
        target = std::move(next);
        forward_to = {};
        again = false;
        COIR_FAULT_DELAY(delay_cancel);
    }
}

void task_base::rearm_cancel() noexcept {
    cancel_lock lock(*this);
    lock.set(k_requested);
}

state_ptr<task_base> task_base::awaited_task() noexcept {
    cancel_lock const lock(*this);
    bool const waits = (lock.bits() & (k_forwarding | k_awaiting)) != 0;
    return waits && awaiting_->is_task() ? state_ptr<task_base>::share(static_cast<task_base*>(awaiting_))
                                         : state_ptr<task_base>{};
}

// Perhaps the way leads into a circle without this task.
bool task_base::is_in_circle() noexcept {
    auto next = awaited_task();
    chain_walk walk(next);
    while (next && next.get() != this) {
        next = next->awaited_task();
        if (walk.comes_round_at(next)) {
            return false;
        }
    }
    return static_cast<bool>(next);
}

void task_base::break_circle() noexcept {
    if (!is_in_circle()) {
        return;
    }
    auto member = state_ptr<task_base>::share(this);
    do {
        if (member->leave_circle()) {
            return;
        }
        member = member->awaited_task();
    } while (member && member.get() != this);
}

bool task_base::leave_circle() noexcept {
    wait_step step = wait_step::nothing;
    {
        cancel_lock lock(*this);
        if ((lock.bits() & k_may_leave) == 0) {
            return false;
        }
        lock.set(k_requested);
        step = word.cancel();
    }
    if (step == wait_step::make_ready) {
        make_ready();
    }
    return true;
}

void task_base::cancel_for_shutdown() noexcept {
    {
        cancel_lock lock(*this);
        if ((lock.bits() & k_shutting_down) != 0) {
            return;
        }
        lock.set(k_shutting_down);
    }
    request_cancel(detail::keep_reason("the runtime is shutting down"));
}

unsigned task_base::cancelling() const noexcept {
    return cancel_.load(memory_order_relaxed) >> k_count_shift;
}

unsigned task_base::uncancel() noexcept {
    cancel_lock lock(*this);
    unsigned const count = lock.bits() >> k_count_shift;
    if (count == 0) {
        return 0;
    }
    lock.count(std::uint32_t{0} - k_one_request);
    if (count == 1) {
        lock.clear(k_requested);
    }
    return count - 1;
}

bool task_base::take_back_own_request(unsigned at_entry, bool pending_at_entry) noexcept {
    bool const others = uncancel() > at_entry;
    if (!others && !pending_at_entry) {
        cancel_lock lock(*this);
        lock.clear(k_requested);
    }
    return others;
}

void task_base::deliver_cancel() {
    cancel_reason reason;
    {
        cancel_lock lock(*this);
        lock.clear(k_requested);
        if (task_extra const* const more = extra_.load(memory_order_acquire)) {
            reason = more->reason;
        }
    }
    throw cancelled(std::move(reason));
}

void task_base::enter(time_limit& limit) noexcept {
    cancel_lock const lock(*this);
    limit.outer = std::exchange(limits_, &limit);
}

// Not always the last one: that of a generator's body may be left while one of its consumer is in force, which began later.
void task_base::leave(time_limit& limit) noexcept {
    cancel_lock const lock(*this);
    time_limit** link = &limits_;
    while (*link != &limit) {
        link = &(*link)->outer;
    }
    *link = limit.outer;
}

void task_base::move(time_limit& limit, clock::time_point when) noexcept {
    cancel_lock const lock(*this);
    limit.when = when;
}

clock::time_point task_base::nearest_limit() noexcept {
    for (back_off wait;; wait.pause()) {
        clock::time_point nearest = k_never;
        bool fires_now = false;
        {
            cancel_lock const lock(*this);
            for (time_limit const* limit = limits_; limit != nullptr; limit = limit->outer) {
                bool const expired = limit->expired.load(std::memory_order_acquire);
                fires_now = fires_now || (expired && limit->timer.firing.load(std::memory_order_acquire));
                // One whose cancellation was thrown, and caught before it came to the limit's end, ends nothing any more.
                nearest = expired && !cancel_is_pending() ? nearest : std::min(nearest, limit->when);
            }
        }
        if (!fires_now) {
            return nearest;
        }
    }
}

cancel_reason task_base::reason_of_request() noexcept {
    cancel_lock lock(*this);
    task_extra const* const more = extra_.load(memory_order_acquire);
    return more != nullptr ? more->reason : nullptr;
}

bool task_base::start_forwarding_cancel(shared_state_base& target) noexcept {
    return say_what_is_awaited(target, k_forwarding | k_may_leave, k_requested | k_shutting_down);
}

bool task_base::say_what_is_awaited(shared_state_base& target, std::uint32_t how, std::uint32_t unless) noexcept {
    awaiting_ = &target;
    std::uint32_t seen = cancel_.load(memory_order_relaxed);
    for (back_off wait;;) {
        if ((seen & k_locked) != 0) {
            wait.pause();
            seen = cancel_.load(memory_order_relaxed);
        } else if ((seen & unless) != 0) {
            return false;
        } else if (cancel_.compare_exchange_weak(seen, seen | how, memory_order_seq_cst, memory_order_relaxed)) {
            return true;
        }
    }
}

bool task_base::stop_forwarding_cancel() noexcept {
    std::uint32_t seen = cancel_.fetch_and(~(k_forwarding | k_awaiting | k_may_leave), memory_order_seq_cst);
    // Acquire: what the holder did with awaiting_ comes before the next target is written there.
    for (back_off wait; (seen & k_locked) != 0; seen = cancel_.load(memory_order_acquire)) {
        wait.pause();
    }
    if ((seen & k_passed_on) == 0) {
        return false;
    }
    cancel_.fetch_and(~k_passed_on, memory_order_relaxed);
    return true;
}

// Under the lock: who has found the awaited one not done yet may just be leaving the request there. Who comes later finds it
// done, and comes back to this task.
void task_base::take_up_request_of(shared_state_base& awaited) noexcept {
    if (!awaited.is_task() || awaited.was_cancelled()) {
        return;
    }
    bool left_there = false;
    {
        cancel_lock const lock(static_cast<task_base&>(awaited));
        left_there = (lock.bits() & k_requested) != 0;
    }
    if (left_there) {
        rearm_cancel();
    }
}

void task_base::call_hook() noexcept {
    if (suspension_hook* const hook = std::exchange(hook_, nullptr)) {
        hook->call(*hook);
    }
}

void task_base::run_hooks_and_publish_awaiters() noexcept {
    task_base* awaited = this;
    awaited->call_hook();
    while (task_base* const awaiter = std::exchange(awaited->awaiter_in_place_, nullptr)) {
        awaiter->call_hook();
        // It has no wait that could be interrupted.
        if (!awaiter->say_what_is_awaited(*awaited, k_forwarding, k_requested | k_shutting_down)) {
            awaiter->forward_pending_cancel(*awaited);
            awaiter->say_what_is_awaited(*awaited, k_forwarding, 0);
        }
        awaited = awaiter;
    }
}

void task_base::forward_pending_cancel(shared_state_base& target) noexcept {
    if (target.request_cancel(reason_of_request())) {
        cancel_lock lock(*this);
        lock.clear(k_requested);
        lock.set(k_passed_on);
    }
}

}  // namespace coir::detail
