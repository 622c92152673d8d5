// SPDX-License-Identifier: BSL-1.0
//
// The keeper thread of a process pool: its loop, and the birth of workers.
//
// Workers that do not get ready are started again after a pause that doubles. When three in a row did not, or one took
// longer than it may, and no other works, then the pool is broken, and all who wait are told why. When there is nothing to
// start them with, they are told as well, but later jobs try again.

#include "executors/process/pool_impl.hpp"

#include "core/base/thread_name.hpp"
#include "executors/process/request_impl.hpp"
#include "executors/process/scarce_impl.hpp"

#include <coir/executors/process/errors.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <unistd.h>

namespace coir::detail {
namespace {

constexpr unsigned k_most_failed_starts = 3;
constexpr auto k_first_pause = std::chrono::milliseconds(10);
constexpr auto k_longest_pause = std::chrono::milliseconds(1000);
constexpr int k_never_ms = -1;

std::chrono::milliseconds pause_after(unsigned failures) {
    return std::min<std::chrono::milliseconds>(k_longest_pause, k_first_pause * (1U << std::min(failures, 8U)));
}

void block_all_signals() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);  // signals are for the program's own threads
}

}  // namespace

// Nothing in it may throw, not even for want of memory: the program would end. Then a job fails, or a worker does not start.
void process_pool::keep() noexcept {
    block_all_signals();
    name_this_thread("coir", "keeper");
    while (!is_over()) {
        start_workers();
        wait_for_events();
        kill_the_late();
        finish_what_others_left();
        take_over_from_tasks();
        hand_out();
    }
    ended_.set();
}

void process_pool::watch(int fd, std::uint32_t events, std::uint64_t tag) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        throw std::system_error(errno, std::generic_category(), "coir: a worker process: epoll_ctl");
    }
}

// Who submits a job to an idle worker does not wake the keeper, so it is the submitter that ends the keeper's rest.
void process_pool::rest() noexcept {
    std::lock_guard const guard(lock_);
    keeper_may_rest_ = true;
    if (!closed_ && queue_.empty() && counters_.running == 0) {
        keeper_rests_.emplace();
    }
}

void process_pool::wait_for_events() noexcept {
    bool const has_deadline = next_deadline() != time_point::max();
    int timeout = k_never_ms;
    if (keeper_sleeps_until_ != time_point::max()) {
        auto const now = std::chrono::steady_clock::now();
        // Compared first: next_start_ may be time_point::min(), from which nothing can be taken away.
        auto const left = std::chrono::ceil<std::chrono::milliseconds>(std::max(keeper_sleeps_until_, now) - now);
        timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
    }
    if (!has_deadline) {
        rest();
    }
    std::array<epoll_event, 64> events;
    int const count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
    if (!has_deadline) {
        std::lock_guard const guard(lock_);
        keeper_rests_.reset();
        keeper_may_rest_ = false;
    }
    for (int i = 0; i < count; ++i) {
        epoll_event const& each = events[static_cast<std::size_t>(i)];
        handle(each.data.u64, each.events);
    }
}

void process_pool::handle(std::uint64_t tag, std::uint32_t events) noexcept {
    if (tag == 0) {
        std::uint64_t ignored = 0;
        [[maybe_unused]] auto const drained = ::read(wake_.get(), &ignored, sizeof ignored);
        return;
    }
    auto const found = workers_.find(tag / 2);
    if (found == workers_.end()) {
        return;  // buried by an event before this one
    }
    worker_ptr const worker = found->second;
    if (tag == worker->process_tag()) {
        bury(*worker);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        std::lock_guard const io(worker->io);
        if (worker->send_what_fits() && worker->channel_open) {
            epoll_event only_in{};
            only_in.events = EPOLLIN;
            only_in.data.u64 = tag;
            ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, worker->process.channel.get(), &only_in);
        }
    }
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) {
        read_channel(*worker);
    }
}

// ---- births ----------------------------------------------------------------------------------------------------------

void process_pool::start_workers() noexcept {
    for (;;) {
        {
            std::lock_guard const guard(lock_);
            bool const wanted =
                live_ < options_.max_workers && (queue_.size() > starting_ || (!closed_ && live_ < target_));
            if (!wanted || broken_ || std::chrono::steady_clock::now() < next_start_) {
                return;
            }
            ++live_;
            ++starting_;
            target_ = std::max(target_, live_);
        }
        start_one();
    }
}

void process_pool::start_one() noexcept {
    worker_ptr worker;
    try {
        // Memory first: a process for which there is none would be left to itself.
        worker = std::make_shared<worker_process>(next_worker_);
        worker->process = spawn_worker(arguments_, options_.inherit_environment);
        ++next_worker_;
        watch(worker->process.process.get(), EPOLLIN, worker->process_tag());
        watch(worker->process.channel.get(), EPOLLIN, worker->channel_tag());
        worker->deadline = deadline_after(std::chrono::steady_clock::now(), options_.start_timeout);
        send_setup(*worker);
        workers_.emplace(worker->number, worker);
    } catch (std::exception const& error) {
        if (worker && worker->process.process) {
            kill_process(worker->process.process.get());
            collect(worker->process.process.get());
        }
        {
            std::lock_guard const guard(lock_);
            --live_;
            --starting_;
        }
        nothing_to_start_with(error_of([&] {
            return worker_start_error(std::string("coir::process_pool_executor: no worker process can be started: ") +
                                      error.what());
        }));
        return;
    }
    failed_spawns_ = 0;
    std::lock_guard const guard(lock_);
    ++counters_.workers_started;
}

void process_pool::send_setup(worker_process& to) {
    auto frame = std::make_shared<byte_buffer>(begin_frame_buffer());
    wire_output out(*frame);
    write_setup(
        out, {to.number, options_.memory_limit, static_cast<std::uint64_t>(options_.cpu_limit.count()), initializer_});
    finish_frame(*frame, frame_kind::setup);
    owned_descriptor mail;
    if (spins_) {
        try {
            to.mail = mailbox_mapping::make(mail);
            to.bell = answer_bell::make();
        } catch (std::system_error const&) {
            // The socket does as well.
        }
    }
    std::lock_guard const io(to.io);
    to.sending = {std::move(frame), nullptr, 0, std::move(mail), to.bell ? to.bell.descriptor() : -1};
    to.send_what_fits();
}

// The program has no descriptor, process or memory left. It may have some later: the pool goes on.
void process_pool::nothing_to_start_with(std::exception_ptr why) noexcept {
    next_start_ = std::chrono::steady_clock::now() + pause_after(++failed_spawns_);
    if (failed_spawns_ >= k_most_failed_starts && nobody_works()) {
        fail_waiting(why);
    }
}

void process_pool::start_has_failed(std::exception_ptr why, bool for_good) noexcept {
    next_start_ = std::chrono::steady_clock::now() + pause_after(++failed_starts_);
    if (!nobody_works() || (!for_good && failed_starts_ < k_most_failed_starts)) {
        return;
    }
    {
        std::lock_guard const guard(lock_);
        broken_ = why;
    }
    for (auto const& [number, worker] : workers_) {
        kill_process(worker->process.process.get());
    }
    fail_waiting(why);
}

bool process_pool::nobody_works() noexcept {
    std::lock_guard const guard(lock_);
    return live_ == starting_ && !broken_;
}

void process_pool::fail_waiting(std::exception_ptr const& why) noexcept {
    taken_jobs waiting;
    {
        std::lock_guard const guard(lock_);
        counters_.cancelled += queue_.size();
        waiting = queue_.take_all();
    }
    while (job_ref const job = waiting.pop_front()) {
        complete_with(job, why);
        let_go(job);
    }
}

// ---- time ------------------------------------------------------------------------------------------------------------

process_pool::time_point process_pool::next_deadline() noexcept {
    std::lock_guard const guard(lock_);
    time_point next = queue_.first_deadline();
    for (auto const& [number, worker] : workers_) {
        next = std::min({next, worker->deadline, worker->job ? worker->job->deadline : time_point::max()});
    }
    if (!broken_ && live_ < options_.max_workers && (queue_.size() > starting_ || (!closed_ && live_ < target_))) {
        next = std::min(next, next_start_);
    }
    // Once it is to wake at some time it does, even if there is nothing to do then any more. So jobs that come one after
    // another with ever later deadlines do not each wake it.
    bool const still_to_come = keeper_sleeps_until_ > std::chrono::steady_clock::now();
    keeper_sleeps_until_ = still_to_come ? std::min(keeper_sleeps_until_, next) : next;
    return next;
}

void process_pool::kill_the_late() noexcept {
    auto const now = std::chrono::steady_clock::now();
    for (auto const& [number, worker] : workers_) {
        if (now >= worker->deadline) {
            worker->deadline = time_point::max();
            worker->was_late = true;
            kill_process(worker->process.process.get());
        }
        kill_if_overdue(*worker, now);
    }
    drop_late();
}

void process_pool::kill_if_overdue(worker_process& worker, time_point now) noexcept {
    job_ref job;
    {
        std::lock_guard const guard(lock_);
        if (!worker.job || worker.job->deadline > now) {
            return;
        }
        job = job_ref(*worker.job);
    }
    if (take_mail(worker, reader::keeper)) {
        return;  // it was in time; who waits for it was not
    }
    // Else somebody has just cancelled it, and is about to do the same.
    bool const ours = job->state().start_completion();
    take_away(*job);
    if (ours) {
        job->state().set_error(timed_out(k_overdue_job));
        complete(*job);
    }
}

bool process_pool::is_over() noexcept {
    {
        std::lock_guard const guard(lock_);
        if (!closed_ || !queue_.empty() || in_hand_ != 0) {
            return false;
        }
        while (!idle_.empty()) {
            worker_process& last = *idle_.back();
            idle_.pop_back();
            retire(last);
        }
        for (auto const& [number, worker] : workers_) {
            if (worker->now == worker_process::stage::starting) {
                worker->now = worker_process::stage::doomed;
                --live_;
                --starting_;
                kill_process(worker->process.process.get());
            }
        }
    }
    return workers_.empty();
}

}  // namespace coir::detail
