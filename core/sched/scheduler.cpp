// SPDX-License-Identifier: BSL-1.0
#include "core/sched/scheduler.hpp"

#include "core/base/forked.hpp"
#include "core/fiber/overflow.hpp"
#include "core/sched/cores.hpp"
#include "core/sched/deadlock.hpp"
#include "core/sched/thread_place.hpp"
#include "core/task/strand_state.hpp"
#include "core/task/suspend_task.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/base/tls.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <pthread.h>

namespace coir::detail {
namespace {

// All runtimes of the process that live. The lock is held for a few instructions, or for one system call on a
// descriptor that is closed from outside of its runtime.
struct register_of_runtimes {
    spin_mutex lock;
    std::uint32_t last_number = 0;
    std::vector<scheduler*> live;
};

register_of_runtimes& all_runtimes() {
    static register_of_runtimes& instance = *new register_of_runtimes;
    return instance;
}

// In the child on the thread that has forked, which alone exists there. What a task of it does until then is its own affair; its
// worker ends the process as soon as it is to look for something to run.
void mark_the_fork() noexcept {
    auto& runtimes = all_runtimes();
    if (!runtimes.live.empty()) {
        in_a_fork.store(true, std::memory_order_relaxed);
    }
    runtimes.lock.unlock();
    if (worker* const here = this_worker()) {
        here->look_at_next_turn();
    }
}

// Nobody else holds the lock when the process is copied.
void watch_forks() {
    static int const error =
        ::pthread_atfork([] { all_runtimes().lock.lock(); }, [] { all_runtimes().lock.unlock(); }, mark_the_fork);
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), "coir: pthread_atfork");
    }
}

std::uint32_t take_number() {
    auto& runtimes = all_runtimes();
    std::lock_guard const guard(runtimes.lock);
    return ++runtimes.last_number;
}

std::size_t name_of_current_task(char* buffer, std::size_t size) {
    worker* const here = this_worker();
    task_base* const task = here != nullptr ? here->current_task() : nullptr;
    return task != nullptr ? task->copy_name(buffer, size) : 0;
}

unsigned workers_from_environment() {
    char const* const value = std::getenv("COIR_WORKERS");
    if (value == nullptr || *value == '\0') {
        return usable_core_count();
    }
    std::string_view const text = value;
    unsigned count = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || end != text.data() + text.size() || count == 0) {
        throw std::invalid_argument("COIR_WORKERS must be a number from 1 to 1024, not '" + std::string(text) + "'");
    }
    return count;
}

}  // namespace

runtime_options scheduler::checked(runtime_options options) {
    if (options.seed) {
        options.workers = 1;
        options.virtual_time = true;
    }
    if (options.workers == 0) {
        options.workers = workers_from_environment();
    }
    if (options.workers > idle::k_max_workers) {
        throw std::invalid_argument("runtime_options: " + std::to_string(options.workers) +
                                    " workers asked for, at most 1024 are possible");
    }
    if (options.stall_threshold.count() < 0) {
        throw std::invalid_argument("runtime_options: stall_threshold must not be negative; 0 turns the reports off");
    }
    return options;
}

scheduler::scheduler(runtime_options options)
    : options_(checked(std::move(options))),
      on_unhandled_(options_.on_unhandled_exception
                        ? std::make_shared<unhandled_handler const>(options_.on_unhandled_exception)
                        : nullptr),
      number_(take_number()), fibers_(fiber_pool::for_stack_size(options_.stack_size)), idle_(options_.workers),
      monitor_(*this), standstill_(*this, options_.virtual_time, options_.seed.has_value()) {
    refuse_in_a_fork();
    watch_forks();
    set_task_name_hook(&name_of_current_task);
    install_overflow_handler();
    if (options_.stall_threshold.count() > 0) {
        install_place_handler();
    }
    workers_.reserve(options_.workers);
    for (unsigned i = 0; i < options_.workers; ++i) {
        workers_.push_back(std::make_unique<worker>(*this, i));
    }
    {
        auto& runtimes = all_runtimes();
        std::lock_guard const guard(runtimes.lock);
        runtimes.live.push_back(this);
    }
    start_threads();
    if (options_.seed) {
        seeded_runtimes.fetch_add(1, std::memory_order_relaxed);
    }
}

scheduler::~scheduler() {
    shut_down();
    if (options_.seed) {
        seeded_runtimes.fetch_sub(1, std::memory_order_relaxed);
    }
}

void scheduler::start_threads() {
    try {
        for (auto& w : workers_) {
            carriers_.hand_over(*w, carriers_.reserve());
        }
        if (!options_.seed) {
            monitor_.start();  // with a seed nothing may depend on how long anything takes
        }
    } catch (...) {
        stop_threads();
        throw;
    }
}

void scheduler::stop_threads() noexcept {
    monitor_.stop();
    stopping_.store(true, std::memory_order_seq_cst);
    wake_all_workers();
    for (auto& w : workers_) {
        w->release_spare_thread();
    }
    carriers_.stop();
    auto& runtimes = all_runtimes();
    std::lock_guard const guard(runtimes.lock);
    std::erase(runtimes.live, this);
}

void scheduler::wake_all_workers() noexcept {
    for (auto& w : workers_) {
        w->poller().interrupt();
    }
}

void scheduler::spawn(task_base& task) {
    worker* const here = this_worker();
    if (here != nullptr && &here->home() == this) {
        if (is_shutting_down()) {
            task.cancel_for_shutdown();
        }
        here->push_new(task);
        return;
    }
    refuse_in_a_fork();
    // Counted before the look at closed_, which shut_down() sets before it counts: so either this spawn is refused, or
    // the shutdown waits for the task. The first one is the main task.
    if (spawned_outside_.fetch_add(1, std::memory_order_seq_cst) != 0 && options_.seed) {
        standstill_.outside_has_a_part();
    }
    if (closed_.load(std::memory_order_seq_cst)) {
        spawned_outside_.fetch_sub(1, std::memory_order_seq_cst);
        task_ended();
        throw no_running_runtime("this runtime has been shut down");
    }
    if (!task.has(task_base::k_on_strand) || task.strand().enter(task)) {
        injector_.push(&task);
        wake_a_sleeper();
    }
}

void scheduler::make_ready(task_base& task) noexcept {
    worker* const here = this_worker();
    if (here != nullptr && &here->home() == this) {
        here->push_ready(task);
        return;
    }
    foreign_waker const here_until_the_end(*this);
    if (options_.seed) {
        standstill_.outside_has_a_part();
    }
    if (worker::may_be_queued(task)) {
        push_from_outside(task);
    }
}

void scheduler::push_from_outside(task_base& task) noexcept {
    foreign_waker const here_until_the_end(*this);
    push_global(task);
    wake_a_sleeper();
}

// The injector links through the record, but a task that is run in place may have two entries: then both are one link,
// counted twice. acq_rel: whoever takes the link sees what came before each of the pushes.
void scheduler::push_global(task_base& task) noexcept {
    if (!task.may_run_in_place || task.linked_entries_.fetch_add(1, memory_order_acq_rel) == 0) {
        injector_.push(&task);
    }
}

void scheduler::unlinked(task_base& task) noexcept {
    // Of two entries one is stale, and the other one is what resumes the task: nobody else can have done so.
    if (task.linked_entries_.load(memory_order_acquire) != 0 &&
        task.linked_entries_.exchange(0, memory_order_acq_rel) > 1) {
        task.release_reference();
    }
}

// Of tasks that were run in place, resumed by another entry, and have ended.
void scheduler::drop_late_entries() noexcept {
    while (!injector_.empty()) {
        injector_.pop_batch(1, [](task_base* task) {
            unlinked(*task);
            task->release_reference();
        });
    }
}

runtime_stats scheduler::stats() const {
    runtime_stats sum;
    sum.workers = worker_count();
    sum.tasks_spawned = spawned_outside_.load(std::memory_order_relaxed);
    for (auto const& w : workers_) {
        counters const& c = w->stats();
        sum.tasks_spawned += c.tasks_spawned.read();
        sum.tasks_ended += c.tasks_ended.read();
        sum.tasks_resumed += c.tasks_resumed.read();
        sum.tasks_stolen += c.tasks_stolen.read();
        sum.parks += c.parks.read();
        sum.wakeups += c.wakeups.read();
        sum.timers_fired += c.timers_fired.read();
        sum.io_events += c.io_events.read();
    }
    return sum;
}

std::size_t scheduler::live_count() noexcept {
    auto& runtimes = all_runtimes();
    std::lock_guard const guard(runtimes.lock);
    return runtimes.live.size();
}

void scheduler::break_deadlock() noexcept {
    runtime_stats const until_now = stats();
    std::uint64_t const moves = until_now.tasks_spawned + until_now.tasks_resumed;
    {
        std::lock_guard const guard(deadlock_lock_);
        if (deadlocks_ != 0 && moves == moves_until_deadlock_) {
            return;
        }
        ++deadlocks_;
        moves_until_deadlock_ = moves;
    }
    try {
        std::string report = "all tasks wait, and nobody can wake one of them" + describe_waits(*this);
        auto tasks = live_tasks();
        // The oldest first: the main task, whose request goes to what it waits for before anything else has an end.
        std::sort(tasks.begin(), tasks.end(), [](auto const& a, auto const& b) { return a->id() < b->id(); });
        bool is_news = false;  // a task may catch each cancellation, and wait once more
        {
            std::lock_guard const guard(deadlock_lock_);
            is_news = report != deadlock_report_;
            deadlock_report_ = report;
        }
        if (is_news) {
            std::fprintf(stderr, "coir: %s\n", report.c_str());
        }
        auto const reason = keep_reason(k_deadlock_reason);
        for (auto const& task : tasks) {
            task->request_cancel(reason);
        }
    } catch (std::bad_alloc const&) {
        std::fputs("coir: all tasks wait, and nobody can wake one of them (no memory for more)\n", stderr);
        {
            std::lock_guard const guard(deadlock_lock_);
            deadlock_report_.clear();
        }
        cancel_live_tasks([](task_base& task) noexcept { task.request_cancel(nullptr); });
    }
}

std::uint64_t scheduler::deadlocks() const {
    std::lock_guard const guard(deadlock_lock_);
    return deadlocks_;
}

std::optional<std::string> scheduler::deadlock_since(std::uint64_t before) const {
    std::lock_guard const guard(deadlock_lock_);
    return deadlocks_ > before ? std::optional(deadlock_report_) : std::nullopt;
}

bool scheduler::all_kept_down::all_rest() const noexcept {
    return home_.injector_.empty() && std::all_of(home_.workers_.begin(), home_.workers_.end(),
                                                  [](auto const& w) { return w->rests() && w->thief().empty(); });
}

void scheduler::with_live(std::uint32_t number, void (*action)(scheduler&, void*) noexcept, void* context) noexcept {
    auto& runtimes = all_runtimes();
    std::lock_guard const guard(runtimes.lock);
    for (scheduler* const s : runtimes.live) {
        if (s->number_ == number) {
            action(*s, context);
            return;
        }
    }
}

std::shared_ptr<void> scheduler::attachment_or_make(attachment (*make)()) {
    std::lock_guard const guard(attachment_lock_);
    if (!attachment_.object) {
        attachment_ = make();
    }
    return attachment_.object;
}

void scheduler::set_attachment(attachment value) {
    std::lock_guard const guard(attachment_lock_);
    if (attachment_.object && attachment_.object != value.object) {
        replaced_attachments_.push_back(attachment_);
    }
    std::erase_if(replaced_attachments_, [&value](attachment const& each) { return each.object == value.object; });
    std::swap(attachment_, value);
}

// The last one first: it may hand its work on to one before it.
void scheduler::end_attachments() {
    for (;;) {
        attachment last;
        {
            std::lock_guard const guard(attachment_lock_);
            std::swap(attachment_, last);
            if (!replaced_attachments_.empty()) {
                std::swap(attachment_, replaced_attachments_.back());
                replaced_attachments_.pop_back();
            }
        }
        if (!last.object) {
            return;
        }
        last.at_end(last.object.get());
    }
}

namespace {

// A reference to a record, taken for this call: the task in it, if it is one of this runtime that lives.
state_ptr<task_base> as_live_task(void* record, scheduler const& home) noexcept {
    auto const state = state_ptr<shared_state_base>::adopt(static_cast<shared_state_base*>(record));
    if (!state->is_task() || state->is_done()) {
        return {};
    }
    auto* const task = static_cast<task_base*>(state.get());
    bool const lives_here = &task->home() == &home && task->state_of_run() != task_base::run_state::dormant;
    return lives_here ? state_ptr<task_base>::share(task) : state_ptr<task_base>{};
}

}  // namespace

std::vector<state_ptr<task_base>> scheduler::live_tasks() const {
    struct search {
        scheduler const* home;
        std::vector<state_ptr<task_base>> found;
    } all{this, {}};
    for_each_live_record(
        [](void* record, void* context) {
            auto& s = *static_cast<search*>(context);
            if (auto task = as_live_task(record, *s.home)) {
                s.found.push_back(std::move(task));
            }
        },
        &all);
    return std::move(all.found);
}

void scheduler::cancel_live_tasks(void (*cancel)(task_base&) noexcept) const noexcept {
    struct action {
        scheduler const* home;
        void (*cancel)(task_base&) noexcept;
    } each{this, cancel};
    for_each_live_record(
        [](void* record, void* context) {
            auto const& a = *static_cast<action*>(context);
            if (auto const task = as_live_task(record, *a.home)) {
                a.cancel(*task);
            }
        },
        &each);
}

}  // namespace coir::detail
