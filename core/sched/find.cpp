// SPDX-License-Identifier: BSL-1.0
//
// Where the next task comes from, in this order:
//   a bounded slice of the worker's own queue, then timers, poller and injector; with the queue empty: due timers,
//   injector, other workers' queues, a short spin, and at last sleep in the poller until the next timer.

#include "core/base/fault.hpp"
#include "core/base/forked.hpp"
#include "core/sched/scheduler.hpp"
#include "core/sched/worker.hpp"

#include <coir/core/base/config.hpp>

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>

namespace coir::detail {
namespace {

// A slice ends after so many tasks (about the number that Go and Tokio settled on), or so much time.
constexpr unsigned k_slice = 64;
constexpr auto k_slice_time = std::chrono::microseconds(500);
// The clock is read after so many tasks only: reading it costs as much as switching to one.
constexpr unsigned k_clock_every = 8;
// Guessed: more than one round, because a victim's queue may have been locked by another thief for an instant.
constexpr int k_steal_rounds = 3;
constexpr std::size_t k_steal_most = 128;
constexpr std::size_t k_inject_most = 64;
// A wake-up through the kernel costs about 5 µs at each end; spinning twice that long finds what comes at once.
constexpr auto k_spin_time = std::chrono::microseconds(10);
// To take a call by force costs 2 µs on a processor of one's own and 30 on a virtual one; and so it does its victim.
constexpr auto k_answer_time = std::chrono::microseconds(10);
// In virtual time only: how often to ask whether all tasks are deadlocked or some thread will wake one. Guessed.
constexpr auto k_uncertain_sleep = std::chrono::milliseconds(20);
// With a seed. Guessed: enough for any two or three tasks to come in any order, little enough that nobody waits for long.
constexpr std::size_t k_seeded_choice = 4;
constexpr std::uint64_t k_seeded_yield_every = 4;

}  // namespace

task_base* worker::end_of_stretch() noexcept {
    if (eager_callers_ != nullptr) [[unlikely]] {
        return take_eager_caller();
    }
    if (seeded_) [[unlikely]] {
        seeded_turn();
        return nullptr;
    }
    until_clock_ = k_clock_every;
    if (slice_ <= k_clock_every) {
        look_around();
        return nullptr;
    }
    slice_ -= k_clock_every;
    look_around_if_late();
    return nullptr;
}

// With a seed: slices end by count only, and the next task is one of the first few.
void worker::seeded_turn() noexcept {
    until_clock_ = 1;
    if (slice_-- == 0) {
        look_around();
    }
    auto const queue = queue_.owner();
    std::size_t const choice = std::min(queue.size(), k_seeded_choice);
    if (choice < 2) {
        return;
    }
    for (std::uint64_t behind = next_random() % choice; behind > 0; --behind) {
        queue.push(queue.take_front());  // there is room: it has just been taken from there
    }
}

// Marsaglia's xorshift (2003).
std::uint64_t worker::next_random() noexcept {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_;
}

void worker::sometimes_yield(worker* self) noexcept {
    if ((self->seeded_ && self->next_random() % k_seeded_yield_every == 0) || COIR_FAULT(yield)) {
        self->current_task()->before_suspension();
        yield(self);
    }
}

task_base* worker::next_task_elsewhere() noexcept {
    if (timers_.next_deadline() != k_never) {
        fire_timers(home_.clock_now());
    }
    take_from_injector();
    task_base* const task = queue_.owner().take_front();
    if (task == nullptr && shared_) {
        lone_.judge_by_idleness();
        if (robbed_ != nullptr) {
            std::exchange(robbed_, nullptr)->lone().thief_is_idle(robbed_at_);
        }
    }
    return task;
}

void worker::fire_timers(clock::time_point now) noexcept {
    gathers_ = true;
    counters_.timers_fired.add(timers_.fire_due(now, k_fire_most));
    gathers_ = false;
}

void worker::dispatch_events() noexcept {
    gathers_ = true;
    counters_.io_events.add(reactor_.dispatch());
    gathers_ = false;
}

void worker::look_around_if_late() noexcept {
    if (expects_events() && std::chrono::steady_clock::now() - last_look_ > k_slice_time) {
        look_around();
    }
}

void worker::look_around() noexcept {
    if (in_a_fork.load(std::memory_order_relaxed)) [[unlikely]] {
        end_in_a_fork();
    }
    slice_ = k_slice;
    counters_.looks.add(1);
    if (expects_events()) {
        last_look_ = std::chrono::steady_clock::now();
        fire_timers(home_.still().has_virtual_time() ? home_.clock_now() : last_look_);
    }
    if (reactor_.has_descriptors()) {
        reactor_.poll();
        dispatch_events();
    }
    lone_.forget_in_time();
    take_from_injector();
}

// A fair share of what came from outside; the rest is for the other workers.
void worker::take_from_injector() noexcept {
    auto& injector = home_.global_queue();
    if (injector.empty()) {
        return;
    }
    std::size_t const share = injector.size() / home_.worker_count() + 1;
    try {
        injector.pop_batch(std::min(share, k_inject_most), [this](task_base* task) {
            queue_.owner().reserve(1);
            scheduler::unlinked(*task);  // before others can run it, and when nothing can send it back
            queue_.owner().push(task);
        });
    } catch (std::bad_alloc const&) {
        // What did not fit is back in the injector. The queue is full of other things to do.
    }
    if (queue_.owner().size() > 1 || !injector.empty()) {
        wake_another();
    }
}

void worker::push_into_full(task_base& task) noexcept {
    try {
        queue_.owner().push(&task);
    } catch (std::bad_alloc const&) {
        push_for_all(task);
    }
}

// Links through the record, allocates nothing.
void worker::push_for_all(task_base& task) noexcept {
    home_.push_global(task);
}

void worker::push_ready(task_base& task) noexcept {
    push_local(task);
    if (!shared_ || ((gathers_ || lone_.is_kept()) && queue_.owner().size() <= 1)) {
        return;
    }
    lone_.judge_by_wake();
    wake_another_of_many();
}

void worker::wake_another_of_many() noexcept {
    if (home_.wake_a_sleeper()) {
        counters_.wakeups.add(1);
    }
}

void worker::wake_if_anybody_sleeps() noexcept {
    if (shared_ && home_.idlers().anybody_sleeps()) {
        wake_another();
    }
}

task_base* worker::next_task() noexcept {
    for (;;) {
        task_base* task = next_task_now();
        if (task == nullptr && !home_.is_stopping()) {
            task = search();
        }
        if (task != nullptr) {
            end_search();
            return task;
        }
        if (home_.is_stopping()) {
            end_search();
            return nullptr;
        }
        park();
    }
}

// Others may sleep because this one searched: if it was the last to search, somebody else must look on, unless there is
// nothing. Calls that are put off are out of its sight, as who puts them off has no fence for it.
void worker::end_search() noexcept {
    if (searching_) {
        searching_ = false;
        lone_.give_up();  // what is in the queue now was stolen, and not woken by its own task
        if (home_.idlers().stop_searching() && (home_.uses_forks() || anything_anywhere())) {
            wake_another();
        }
    }
}

task_base* worker::search() noexcept {
    if (!shared_) {
        return nullptr;
    }
    if (!searching_) {
        searching_ = home_.idlers().try_start_searching();
    }
    if (!searching_) {
        return nullptr;
    }
    do {
        for (int round = 0; round < k_steal_rounds; ++round) {
            if (task_base* const task = steal_from_others()) {
                return task;
            }
        }
        take_from_injector();
        if (task_base* const task = queue_.owner().take_front()) {
            return task;
        }
    } while (!home_.is_stopping() && spin_for_work());
    return nullptr;
}

task_base* worker::steal_from_others() noexcept {
    unsigned const count = home_.worker_count();
    unsigned const first = static_cast<unsigned>(next_random() % count);
    for (unsigned i = 0; i < count; ++i) {
        worker& victim = home_.worker_at((first + i) % count);
        if (&victim == this || !victim.has_tasks_for_others()) {
            continue;
        }
        auto const now = victim.lone().is_about_to_be_taken();
        try {
            auto const taken = victim.thief().steal_half(queue_.owner(), k_steal_most);
            if (taken.status == steal_status::item) {
                counters_.tasks_stolen.add(taken.moved + 1);
                robbed_ = taken.moved == 0 ? &victim : nullptr;
                robbed_at_ = now;
                return taken.item;
            }
        } catch (std::bad_alloc const&) {
            if (task_base* const one = steal_one_of(victim)) {  // needs no room
                return one;
            }
        }
    }
    return take_call_of_others(first);
}

task_base* worker::steal_one_of(worker& victim) noexcept {
    auto const taken = victim.thief().steal();
    if (taken.status != steal_status::item) {
        return nullptr;
    }
    counters_.tasks_stolen.add(1);
    return taken.item;
}

task_base* worker::take_call_of_others(unsigned first) noexcept {
    unsigned const count = home_.worker_count();
    for (unsigned i = 0; i < count; ++i) {
        worker& victim = home_.worker_at((first + i) % count);
        if (&victim == this || !victim.has_open_calls()) {
            continue;
        }
        if (task_base* const given = ask_for_call(victim)) {
            return given;
        }
        try {
            if (task_base* const taken = victim.has_open_calls() ? take_call_of(victim) : nullptr) {
                counters_.tasks_stolen.add(1);
                return taken;
            }
        } catch (std::bad_alloc const&) {
            return nullptr;  // the call stays where it is: its own worker runs it
        }
    }
    return nullptr;
}

// A victim that puts calls off one after another answers at once.
task_base* worker::ask_for_call(worker& victim) noexcept {
    victim.forks_.stack.ask();
    auto const give_up = std::chrono::steady_clock::now() + k_answer_time;
    do {
        for (int i = 0; i < 16; ++i) {
            spin_pause();
        }
        if (task_base* const given = victim.has_tasks_for_others() ? steal_one_of(victim) : nullptr) {
            return given;
        }
    } while (victim.has_open_calls() && !anything_to_do() && std::chrono::steady_clock::now() < give_up);
    return nullptr;
}

// Only worthwhile while somebody is up who may produce work, and never with descriptors of one's own, which nobody
// polls meanwhile. True if there is something to try for.
bool worker::spin_for_work() noexcept {
    if (expects_events() || home_.idlers().sleepers() + 1 >= home_.worker_count()) {
        return false;
    }
    auto const give_up = std::chrono::steady_clock::now() + k_spin_time;
    do {
        for (int i = 0; i < 32; ++i) {
            spin_pause();
        }
        if (anything_anywhere()) {
            return true;
        }
    } while (std::chrono::steady_clock::now() < give_up);
    return false;
}

bool worker::anything_anywhere() noexcept {
    if (anything_to_do()) {
        return true;
    }
    for (unsigned i = 0; i < home_.worker_count(); ++i) {
        if (i != index_ && (home_.worker_at(i).has_tasks_for_others() || home_.worker_at(i).has_open_calls())) {
            return true;
        }
    }
    return false;
}

bool worker::anything_to_do() noexcept {
    return !queue_.owner().empty() || !home_.global_queue().empty() || home_.is_stopping();
}

// In virtual time, always: nothing may depend on how long the monitor takes. And once in a while in a row of short sections,
// in which the worker looks neither at its timers nor at its poller.
bool worker::has_work_for_others() noexcept {
    if (home_.still().has_virtual_time()) {
        return true;
    }
    // In a row of short sections nobody else looks there but the monitor, which comes late.
    look_around_if_late();
    if (--until_turn_check_ == 0 && others_are_due()) {
        look_at_next_turn();
        return true;
    }
    return !queue_.owner().empty() || !home_.global_queue().empty() || eager_callers_ != nullptr;
}

bool worker::may_linger() noexcept {
    if (seeded_ || anything_to_do() || eager_callers_ != nullptr || expects_events()) {
        return false;
    }
    counters_.looks.add(1);  // there is nothing else to look after: who lingers does not keep the worker from anybody
    return true;
}

void worker::park() noexcept {
    bool const look_everywhere = home_.idlers().prepare_to_park(index_, searching_);
    COIR_FAULT_DELAY(delay_park);
    searching_ = false;
    if (look_everywhere && home_.uses_forks()) {
        heavy_fence();  // partner: the light one in put_off()
    }
    bool const watched = home_.still().is_watched();
    if (look_everywhere ? anything_anywhere() : anything_to_do()) {
        std::unique_lock const held = watched ? std::unique_lock(home_.still().lock()) : std::unique_lock<std::mutex>();
        home_.idlers().cancel_park(index_);
        searching_ = true;
        return;
    }
    COIR_FAULT_DELAY(delay_park);
    counters_.parks.add(1);
    rests_.store(true, std::memory_order_release);
    if (watched) {
        sleep_watched();
    } else {
        reactor_.wait_until(timers_.next_deadline());
        get_up();
    }
    slice_ = k_slice;
    last_look_ = std::chrono::steady_clock::now();
    lone_.forget_in_time();
    dispatch_events();
}

void worker::get_up() noexcept {
    rests_.store(false, std::memory_order_seq_cst);
    home_.wait_until_not_kept_down();
    home_.watcher().worker_is_up();
    counters_.looks.add(1);
    searching_ = home_.idlers().leave_park(index_);
}

// See standstill.hpp for who may leave his sleep when.
void worker::sleep_watched() noexcept {
    standstill& still = home_.still();
    std::unique_lock held(still.lock());
    auto const what = still.decide();
    if (what == standstill::next_step::sleep || what == standstill::next_step::sleep_for_a_while) {
        held.unlock();
        reactor_.wait_until_readable(what == standstill::next_step::sleep_for_a_while
                                         ? std::chrono::steady_clock::now() + k_uncertain_sleep
                                     : still.has_virtual_time() ? k_never
                                                                : timers_.next_deadline());
        held.lock();
    }
    get_up();
    held.unlock();
    switch (what) {
    case standstill::next_step::sleep:
    case standstill::next_step::sleep_for_a_while:
        break;
    case standstill::next_step::wake_watchers:
        still.wake_watchers();
        break;
    case standstill::next_step::jump:
        counters_.timers_fired.add(still.fire_due());
        break;
    case standstill::next_step::break_deadlock:
        home_.break_deadlock();
        break;
    }
    reactor_.poll();
}

}  // namespace coir::detail
