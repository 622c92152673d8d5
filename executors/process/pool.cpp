// SPDX-License-Identifier: BSL-1.0
//
// What callers do with a process pool.

#include "executors/process/pool_impl.hpp"

#include "core/sched/cores.hpp"
#include "core/sched/main_entry.hpp"
#include "executors/process/entry_impl.hpp"
#include "executors/process/image_impl.hpp"
#include "executors/process/request_impl.hpp"

#include <coir/core/task/task_ref.hpp>
#include <coir/core/task/timeout.hpp>
#include <coir/executors/process/errors.hpp>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace coir::detail {
namespace {

constexpr std::size_t k_most_workers = 1024;

std::vector<std::string> arguments_of_main() {
    auto arguments = main_arguments();
    if (!arguments) {
        throw worker_start_error(
            "coir::process_pool_executor: worker processes begin in main(), and main() has not called "
            "coir::run(argc, argv, f) or coir::serve_if_worker(argc, argv)");
    }
    if (arguments->empty()) {
        arguments->emplace_back("coir-worker");
    }
    return std::move(*arguments);
}

process_pool_options checked(process_pool_options options) {
    if (options.max_workers > k_most_workers) {
        throw std::invalid_argument("process_pool_options: at most 1024 workers are possible");
    }
    if (options.max_workers == 0) {
        options.max_workers = usable_core_count();
    }
    if (options.start_timeout <= std::chrono::nanoseconds::zero() || options.cpu_limit < std::chrono::seconds::zero()) {
        throw std::invalid_argument("process_pool_options: a time is not positive");
    }
    return options;
}

byte_buffer name_of(void (*initializer)()) {
    byte_buffer bytes;
    if (initializer != nullptr) {
        wire_output out(bytes);
        write_name(out, name_of_function(reinterpret_cast<void const*>(initializer)));
    }
    return bytes;
}

// Of the time limits in which the caller stands. Virtual time stands still while a job is out, so that a deadline which has not
// passed yet will not.
clock::time_point deadline_of_caller(remote_job const& job) noexcept {
    clock::time_point const deadline = deadline_in_force();
    if (deadline == k_never || !job.outside || !job.outside->holds_time()) {
        return deadline;
    }
    return deadline <= clock::now() ? clock::time_point::min() : k_never;
}

owned_descriptor opened(int fd, char const* what) {
    if (fd < 0) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    return owned_descriptor(fd);
}

}  // namespace

void remote_job::hasten() noexcept {
    if (pool) {
        pool->hasten(*this);
    }
}

void remote_job::withdraw() noexcept {
    if (pool) {
        pool->withdraw(*this);
    }
    outside.reset();
}

// ---- the pool --------------------------------------------------------------------------------------------------------

process_pool::process_pool(process_pool_options options)
    : options_(checked(std::move(options))), arguments_(arguments_of_main()),
      initializer_(name_of(options_.initializer)), spins_(usable_core_count() > 1),
      segments_(std::make_shared<segment_pool>()),
      epoll_(opened(::epoll_create1(EPOLL_CLOEXEC), "coir::process_pool_executor: epoll_create1")),
      wake_(opened(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "coir::process_pool_executor: eventfd")) {
    idle_.reserve(options_.max_workers);
    program_image();  // before the keeper needs it, where a failure can be told
    link_worker_entry();
}

process_pool::~process_pool() {
    if (keeper_.joinable()) {
        keeper_.detach();  // in a fork, which has no such thread
    }
}

std::shared_ptr<process_pool> process_pool::make(process_pool_options options) {
    auto pool = std::make_shared<process_pool>(std::move(options));
    pool->watch(pool->wake_.get(), EPOLLIN, 0);
    pool->keeper_ = std::thread([raw = pool.get()] { raw->keep(); });
    return pool;
}

void process_pool::refuse_in_a_fork() const {
    if (!owner_.is_this()) {
        throw broken_executor("coir::process_pool_executor: this process is a fork of the one that made the pool, and "
                              "has none of its threads");
    }
}

void process_pool::submit(remote_job& job, wire_output const& arguments) {
    refuse_in_a_fork();
    put_into_shared_memory(job, arguments);
    job.id = next_job_.fetch_add(1, std::memory_order_relaxed);
    job.deadline = deadline_of_caller(job);
    write_deadline(*job.frame, job.deadline);
    finish_frame(*job.frame, frame_kind::job, job.id);
    bool const may_take_answer = job.has_plain_result();
    job_ref reference(job);
    if (job.is_late()) {
        {
            std::lock_guard const guard(lock_);
            throw_if_over();
            ++counters_.submitted;
            ++counters_.cancelled;
        }
        complete_late(reference);
        return;
    }
    std::shared_ptr<worker_process> chosen;
    std::unique_lock<std::mutex> io;
    {
        std::lock_guard const guard(lock_);
        throw_if_over();
        job.pool = shared_from_this();
        ++counters_.submitted;
        keeper_rests_.reset();
        if (queue_.empty() && !idle_.empty()) {
            chosen = idle_.back()->shared_from_this();
            idle_.pop_back();
            io = give(*chosen, std::move(reference));
            if (job.deadline < keeper_sleeps_until_) {
                wake_keeper();
            }
        } else {
            queue_.push_back(std::move(reference));
            if (needs_another() || at_bells_ != 0 || job.deadline < keeper_sleeps_until_) {
                wake_keeper();
            }
        }
    }
    if (chosen) {
        send_in_person(*chosen, std::move(io), may_take_answer);
    }
}

// Whom a sleeping worker is woken by may lose this core to it at once, and get on only when it has answered. So the answer is
// waited for before there is anybody who could: else it would have to come by way of the keeper.
void process_pool::send_in_person(worker_process& to, std::unique_lock<std::mutex> io, bool may_take_answer) noexcept {
    bool const waits = may_take_answer && to.mail && to.mail->to_worker.is_asleep() && to.mail->to_pool.begin();
    send_or_watch(to);
    io.unlock();
    if (waits) {
        wait_no_longer(to, reader::submitting);
    }
}

void process_pool::throw_if_over() const {
    if (closed_) {
        throw executor_shut_down();
    }
    if (broken_) {
        std::rethrow_exception(broken_);
    }
}

void process_pool::put_into_shared_memory(remote_job& job, wire_output const& arguments) {
    if (arguments.shared().empty()) {
        return;
    }
    job.shared = segments_->lease(arguments.shared_size());
    std::size_t at = 0;
    for (auto const part : arguments.shared()) {
        std::memcpy(job.shared->bytes().data() + at, part.data(), part.size());
        at += (part.size() + k_share_alignment - 1) / k_share_alignment * k_share_alignment;
    }
    write_segment_place(*job.frame, {job.shared->id(), job.shared->capacity(), job.shared->is_kept()});
}

std::unique_lock<std::mutex> process_pool::give(worker_process& to, job_ref job) {
    std::unique_lock io(to.io);
    to.sending = {job->frame, job->shared, 0, {}, -1};
    to.reading = job->shared;
    to.now = worker_process::stage::busy;
    if (to.at_bell) {
        // By a task that has yet to leave it, whose job is done: this one's answer is not to wait for that.
        [[maybe_unused]] bool const sleeps = to.mail->to_pool.point_to_socket();
    }
    ++to.jobs_given;
    ++counters_.running;
    job->place = remote_job::where::running;
    job->worker = &to;
    to.job = std::move(job);
    return io;
}

void process_pool::send_or_watch(worker_process& to) noexcept {
    if (!to.send_what_fits()) {
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT;
        event.data.u64 = to.channel_tag();
        // Fails if the keeper has stopped watching it: then it is ending, and nobody would read what is left.
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, to.process.channel.get(), &event);
    }
}

bool process_pool::needs_another() const noexcept {
    return live_ < options_.max_workers && queue_.size() > starting_;
}

void process_pool::wake_keeper() noexcept {
    if (wake_) {
        std::uint64_t const one = 1;
        // Full is as good as written.
        [[maybe_unused]] auto const written = ::write(wake_.get(), &one, sizeof one);
    }
}

void process_pool::withdraw(remote_job& job) noexcept {
    take_away(job);
    rouse_sleeper(job);
}

void process_pool::take_away(remote_job& job) noexcept {
    job_ref taken;
    {
        std::lock_guard const guard(lock_);
        if (job.place == remote_job::where::queued) {
            taken = queue_.take(job);
            ++counters_.cancelled;
        } else if (job.place == remote_job::where::running) {
            worker_process& worker = *job.worker;
            taken = std::move(worker.job);
            job.place = remote_job::where::nowhere;
            // Buried already, if somebody has its last answer in hand.
            if (std::exchange(worker.now, worker_process::stage::doomed) != worker_process::stage::doomed) {
                --live_;
            }
            --counters_.running;
            ++counters_.cancelled;
            kill_process(worker.process.process.get());
        }
        if (closed_) {
            wake_keeper();
        }
    }
    let_go(taken);
}

// Its bytes are of no use any more, while its result may be kept for long. For whoever has taken it out of the pool.
void process_pool::let_go(job_ref const& job) noexcept {
    if (job) {
        job->frame.reset();
        job->shared.reset();
    }
}

void process_pool::close(bool cancel_pending) noexcept {
    if (!owner_.is_this()) {
        return;
    }
    taken_jobs dropped;
    {
        std::lock_guard const guard(lock_);
        closed_ = true;
        keeper_rests_.reset();
        if (cancel_pending) {
            counters_.cancelled += queue_.size();
            dropped = queue_.take_all();
        }
        wake_keeper();
    }
    while (job_ref const job = dropped.pop_front()) {
        let_go(job);
        job->state().request_cancel(keep_reason("the executor was shut down"));
    }
}

void process_pool::wait_until_ended() {
    if (owner_.is_this()) {
        outside_work const workers_end;
        cancel_shield const shield;  // a job that still runs may refer to files and the like of whoever shuts down
        ended_.wait();
        std::lock_guard const guard(end_lock_);
        if (keeper_.joinable()) {
            keeper_.join();
            std::lock_guard const none_wakes_it(lock_);
            wake_.reset();
            epoll_.reset();
        }
    }
}

process_pool_stats process_pool::stats() const {
    std::lock_guard const guard(lock_);
    process_pool_stats result = counters_;
    result.workers = live_;
    result.idle_workers = idle_.size();
    result.queued = queue_.size();
    return result;
}

void process_pool::complete(remote_job& job) noexcept {
    job.state().complete();
    rouse_sleeper(job);
    job.outside.reset();
}

void process_pool::complete_with(job_ref const& job, std::exception_ptr error) noexcept {
    if (job->state().start_completion()) {
        job->state().set_error(std::move(error));
        complete(*job);
    }
}

void process_pool::complete_late(job_ref const& job) noexcept {
    complete_with(job, timed_out(k_late_job));
    let_go(job);
}

}  // namespace coir::detail
