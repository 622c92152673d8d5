// SPDX-License-Identifier: BSL-1.0
#include "core/sched/monitor.hpp"

#include "core/base/fault.hpp"
#include "core/base/thread_name.hpp"
#include "core/sched/deadlock.hpp"
#include "core/sched/scheduler.hpp"
#include "core/sched/thread_place.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include <poll.h>
#include <sys/epoll.h>

namespace coir::detail {
namespace {

// Guessed, as Go's: late enough that a task of ordinary length is left alone, early enough that nobody notices.
constexpr auto k_tick = std::chrono::milliseconds(10);
// A runtime that rests now and then only does not send its monitor to sleep each time: waking it costs a system call.
constexpr int k_quiet_ticks = 10;
// Of events that are fetched for one worker in a tick, each of reactor::k_batch at most.
constexpr int k_most_batches = 64;
// While the monitor waits for descriptors nobody can wake it, and for no longer than that. Guessed.
constexpr auto k_deaf = std::chrono::milliseconds(1);
// A thread of the program's own that could still wake somebody may come to wait for good itself, and nobody is told of that. So
// the monitor asks again, twice as late each time, and at last no more: a runtime that rests wakes up for nothing some ten
// times in its first two minutes. Guessed.
constexpr auto k_ask_again = std::chrono::milliseconds(200);
constexpr auto k_ask_no_more = std::chrono::minutes(1);
// For so long no task that waits for a stack has got one. Guessed: late enough that others may come to an end first.
constexpr auto k_short_of_stacks = std::chrono::milliseconds(500);

bool stderr_takes_a_line() noexcept {
    pollfd out{::fileno(stderr), POLLOUT, 0};
    return ::poll(&out, 1, 0) != 0;
}

// Waits until standard error takes a line without keeping its writer: a pipe may be full. False if it does not by the
// time when the runtime ends, which does not wait for it.
bool may_write(std::atomic<bool> const& stopping) noexcept {
    pollfd out{::fileno(stderr), POLLOUT, 0};
    bool last_look = false;
    while (::poll(&out, 1, last_look ? 0 : static_cast<int>(k_tick.count())) == 0) {
        if (last_look) {
            return false;
        }
        last_look = stopping.load(std::memory_order_acquire);
    }
    return true;
}

void write_report(worker const& w, std::string const& task, std::chrono::nanoseconds kept,
                  std::atomic<bool> const& stopping) noexcept {
    try {
        std::string const place = place_of_thread(w.thread_id());
        if (!may_write(stopping)) {
            return;
        }
        auto const milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(kept).count();
        std::fprintf(stderr, "coir: task '%s' has kept worker %u for %lld ms without a suspension; it is %s\n",
                     task.c_str(), w.index(), static_cast<long long>(milliseconds), place.c_str());
    } catch (std::bad_alloc const&) {
        std::fputs("coir: a task keeps its worker without a suspension (no memory for its place)\n", stderr);
    }
}

}  // namespace

monitor::monitor(scheduler& home)
    : home_(home), watched_(home.worker_count()), events_(std::make_unique<epoll_event[]>(reactor::k_batch)),
      kept_pollers_(std::make_unique<pollfd[]>(home.worker_count())), sections_(home) {
    kept_.reserve(home.worker_count());
}

monitor::~monitor() {
    stop();
}

void monitor::start() {
    thread_ = std::thread([this] { run(); });
}

void monitor::stop() noexcept {
    stopping_.store(true, std::memory_order_release);
    parker_.unpark();
    if (thread_.joinable()) {
        thread_.join();
    }
    for (watched& each : watched_) {
        if (each.writer.joinable()) {
            each.writer.join();
        }
    }
}

void monitor::worker_is_up() noexcept {
    if (asleep_.load(std::memory_order_seq_cst) && asleep_.exchange(false, std::memory_order_relaxed)) {
        parker_.unpark();
    }
}

void monitor::run() noexcept {
    name_this_thread(home_.name_of_threads(), "watch");
    starts_.since = std::chrono::steady_clock::now();
    int quiet = 0;
    std::chrono::nanoseconds pause = k_ask_again;
    while (!stopping_.load(std::memory_order_acquire)) {
        quiet = everybody_rests() ? quiet + 1 : 0;
        pause = quiet == 0 ? k_ask_again : pause;
        if (quiet > k_quiet_ticks) {
            // Before the look: whoever gets up from here on wakes this thread, and who did before is seen.
            asleep_.store(true, std::memory_order_seq_cst);
            outlook const seen = everybody_rests() ? outlook_of(home_) : outlook::unsettled;
            if (seen == outlook::deadlock) {
                home_.break_deadlock();
            }
            bool const may_sleep = seen != outlook::unsettled;
            if (may_sleep) {
                bool const ask_again = seen == outlook::uncertain && pause < k_ask_no_more;
                if (parker_.park_until(ask_again ? std::chrono::steady_clock::now() + pause : k_never)) {
                    quiet = 0;
                } else {
                    pause *= 2;
                }
            }
            asleep_.store(false, std::memory_order_relaxed);  // a token that comes before that ends the next tick early
            if (may_sleep) {
                continue;
            }
        }
        pass_a_tick();
        auto const now = std::chrono::steady_clock::now();
        for (unsigned i = 0; i < home_.worker_count(); ++i) {
            look_after(home_.worker_at(i), watched_[i], now);
        }
        look_after_starts(now);
    }
}

bool monitor::everybody_rests() const noexcept {
    for (unsigned i = 0; i < home_.worker_count(); ++i) {
        if (!home_.worker_at(i).rests()) {
            return false;
        }
    }
    return true;
}

// A tick is not shorter for the looks at blocking sections in between: a worker that has not looked around since the last
// tick is taken for a kept one.
void monitor::pass_a_tick() noexcept {
    auto const end = std::chrono::steady_clock::now() + k_tick;
    for (auto now = end - k_tick; now < end && !stopping_.load(std::memory_order_acquire);
         now = std::chrono::steady_clock::now()) {
        if (sections_.is_on() && now >= sections_.next_look()) {
            sections_.look();
        }
        auto const until = sections_.is_on() ? std::min(end, sections_.next_look()) : end;
        if (kept_.empty()) {
            static_cast<void>(parker_.park_until(until));
        } else {
            wait_for_events_of_kept(std::min(until, now + k_deaf));
            static_cast<void>(parker_.park_until(now));  // a token is used up: what it is for is looked at next
        }
    }
    kept_.clear();
}

void monitor::wait_for_events_of_kept(time_point until) noexcept {
    for (std::size_t i = 0; i < kept_.size(); ++i) {
        kept_pollers_[i] = {home_.worker_at(kept_[i]).poller().descriptor(), POLLIN, 0};
    }
    if (!reactor::wait_for_any(kept_pollers_.get(), kept_.size(), until)) {
        return;
    }
    for (std::size_t i = kept_.size(); i-- > 0;) {
        if (kept_pollers_[i].revents == 0) {
            continue;
        }
        worker& w = home_.worker_at(kept_[i]);
        // Only an interrupt, which is the owner's, stays there: no use in waiting beside it.
        if (!is_kept(w, watched_[kept_[i]]) || w.poller().poll_for_owner(events_.get()) == 0) {
            kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(i));
        }
    }
}

bool monitor::is_kept(worker& w, watched const& state) const noexcept {
    return w.looks() == state.looks && !w.rests();
}

void monitor::look_after(worker& w, watched& state, time_point now) noexcept {
    std::uint64_t const looks = w.looks();
    // A blocking section counts as a suspension, and so does a yield that finds nobody. That one is no look: the worker polls
    // nothing there, and must be looked after all the same.
    std::uint64_t const turns = looks + w.stats().tasks_resumed.read() + w.stats().tasks_ended.read() +
                                w.stats().yields_to_nobody.read() + w.section().read();
    task_base const* const task = w.current_task();
    bool const rests = w.rests();
    if ((looks == state.looks && !rests) || COIR_FAULT(take_over)) {
        take_over(w);
        if (w.poller().has_descriptors()) {
            kept_.push_back(w.index());
        }
    }
    state.looks = looks;
    // A task that starts is not counted anywhere: it is seen by its being another one.
    if (turns != state.turns || task != state.task || rests) {
        state.turns = turns;
        state.task = task;
        // Read anew: this thread may have been late since `now`, and a task is not to be accused of that.
        state.since = std::chrono::steady_clock::now();
        state.reported = false;
        return;
    }
    auto const threshold = home_.options().stall_threshold;
    if (threshold.count() > 0 && !state.reported && now - state.since >= threshold) {
        state.reported = report(w, state, now - state.since);
    }
}

void monitor::look_after_starts(time_point now) noexcept {
    std::uint64_t refused = 0;
    std::uint64_t got = 0;
    std::size_t waiting = home_.global_queue().size();
    for (unsigned i = 0; i < home_.worker_count(); ++i) {
        worker& w = home_.worker_at(i);
        refused += w.stats().starts_refused.read();
        got += w.stats().stacks_made.read() + w.stats().tasks_ended.read();
        waiting += w.thief().size();
    }
    bool const some_got_one = got != starts_.got;
    bool const some_were_refused = refused != starts_.refused;
    if (some_got_one || now - starts_.last >= k_short_of_stacks / 2) {
        starts_ = {refused, got, now, now, starts_.reported && !some_got_one};
        return;
    }
    if (!some_were_refused) {
        return;  // the worker may not have had its turn since the last tick
    }
    starts_.refused = refused;
    starts_.last = now;
    if (!starts_.reported && now - starts_.since >= k_short_of_stacks && stderr_takes_a_line()) {
        // Whatever is ready just now: of those at least one is in a worker's hands.
        std::fprintf(stderr, "coir: about %zu tasks cannot start: no memory for a stack\n",
                     std::max<std::size_t>(waiting, 1));
        starts_.reported = true;
    }
}

void monitor::take_over(worker& w) noexcept {
    // All that is due, not a worker's portion: that is for what else a worker has to do.
    auto const now = home_.clock_now();
    while (w.timer_heap().fire_due(now, worker::k_fire_most) == worker::k_fire_most) {
    }
    if (w.poller().has_descriptors()) {
        // Descriptors may become ready as fast as they are served: there are other workers to look after.
        for (int batches = 0; batches < k_most_batches && w.poller().poll_for_owner(events_.get()); ++batches) {
        }
    }
    if (!w.thief().empty() || w.has_open_calls()) {
        w.lone().give_up();
        home_.wake_a_sleeper();
    }
}

bool monitor::report(worker& w, watched& state, std::chrono::nanoseconds kept) noexcept {
    if (state.writing.load(std::memory_order_acquire)) {
        return false;
    }
    if (state.writer.joinable()) {
        state.writer.join();  // it is on its way out
    }
    task_base* const task = w.current_task();
    // The record may belong to something else by now, but it is never given back: see try_add_reference().
    if (task == nullptr || !shared_state_base::try_add_reference(static_cast<shared_state_base*>(task))) {
        return true;
    }
    auto const record = state_ptr<shared_state_base>::adopt(task);
    if (!record->is_task()) {
        return true;
    }
    try {
        state.writing.store(true, std::memory_order_relaxed);
        state.writer = std::thread([this, &w, &state, kept, name = task->name()] {
            name_this_thread(home_.name_of_threads(), "stall");
            write_report(w, name, kept, stopping_);
            state.writing.store(false, std::memory_order_release);
        });
    } catch (std::exception const&) {
        state.writing.store(false, std::memory_order_relaxed);
        std::fputs(
            "coir: a task keeps its worker without a suspension (no memory or no thread to say which, and where)\n",
            stderr);
    }
    return true;
}

}  // namespace coir::detail
