// SPDX-License-Identifier: BSL-1.0
#pragma once

// A process pool.
//
// Roles: callers submit, cancel and close, from any thread; one keeper thread for each pool starts the workers, watches
// them and completes the jobs. A worker has one job at a time, and everything else waits in one queue here: so what has
// not started can always be cancelled.
//
// Invariants
//   1. Whoever finds an idle worker when the queue is empty gives it the job in person: no detour by the keeper. The
//      worker's `io` lock is taken before the pool's is released, so that the keeper, which may see the worker die
//      meanwhile, waits until sending is over.
//   2. A worker's pidfd is watched before the worker is given anything.
//   3. A job leaves the pool exactly once: completed by the keeper or by who waits for it, cancelled, or out of time. All go
//      through start_completion().
//   4. Nobody is woken and no user code runs under a lock of the pool.
//   5. Want of memory costs a job, which fails with std::bad_alloc, or a start, which is tried again. What the keeper does for
//      all jobs takes no memory.
//   6. The keeper thread ends after the last worker was collected, since the kernel kills what it has started then.
//   7. While there is a job or the pool is closed, the keeper does not count as a thread that wakes nobody: whoever makes it
//      so ends the keeper's rest, under the lock, before anybody can wait for it.
//   8. The keeper sleeps no longer than until the first deadline of a job that waits or that a worker has. It says until when
//      before it sleeps, under the lock: who submits a job whose deadline comes first wakes it.

#include "core/base/forked.hpp"
#include "core/base/patience.hpp"
#include "core/base/thread_count.hpp"
#include "executors/process/descriptor_impl.hpp"
#include "executors/process/segment_impl.hpp"
#include "executors/process/waiting_jobs_impl.hpp"
#include "executors/process/worker_process_impl.hpp"

#include <coir/executors/process/job.hpp>
#include <coir/executors/process/options.hpp>
#include <coir/sync/event.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace coir::detail {

class process_pool : public std::enable_shared_from_this<process_pool> {
public:
    /// Throws worker_start_error if the program cannot have workers, std::invalid_argument, std::system_error.
    static std::shared_ptr<process_pool> make(process_pool_options options);
    explicit process_pool(process_pool_options options);
    ~process_pool();

    /// Its frame is finished here. Throws executor_shut_down, broken_executor, std::system_error, std::length_error.
    void submit(remote_job& job, wire_output const& arguments);
    /// Somebody is about to wait for the job: looks for the answer in person, for a moment, if it may come at once.
    void hasten(remote_job& job) noexcept;
    /// The job's future was cancelled, and is done.
    void withdraw(remote_job& job) noexcept;
    void close(bool cancel_pending) noexcept;
    void wait_until_ended();
    process_pool_stats stats() const;

private:
    using time_point = worker_process::time_point;
    using worker_ptr = std::shared_ptr<worker_process>;
    /// Who takes an answer: the keeper, somebody who waits for it, or who has just submitted its job: that one runs no code of
    /// others, nor gives up jobs of theirs, as he may hold locks.
    enum class reader : std::uint8_t { keeper, waiting, submitting };

    // --- pool.cpp: what callers do -----------------------------------------------------------------------------------
    void refuse_in_a_fork() const;
    /// Under lock_.
    void throw_if_over() const;
    void put_into_shared_memory(remote_job& job, wire_output const& arguments);
    /// Under lock_. Returns the worker's io lock, held.
    std::unique_lock<std::mutex> give(worker_process& to, job_ref job);
    void send_or_watch(worker_process& to) noexcept;
    /// `io`: the worker's lock, held.
    void send_in_person(worker_process& to, std::unique_lock<std::mutex> io, bool may_take_answer) noexcept;
    /// Under lock_.
    bool needs_another() const noexcept;
    static void let_go(job_ref const& job) noexcept;
    /// Out of the queue, or from its worker, which is killed.
    void take_away(remote_job& job) noexcept;
    /// For who has won start_completion() and set the outcome.
    void complete(remote_job& job) noexcept;
    void complete_with(job_ref const& job, std::exception_ptr error) noexcept;
    void complete_late(job_ref const& job) noexcept;
    /// Under lock_: so its descriptor cannot have become somebody else's.
    void wake_keeper() noexcept;

    // --- keeper.cpp: the keeper thread's loop --------------------------------------------------------------------------
    void keep() noexcept;
    void wait_for_events() noexcept;
    void finish_what_others_left() noexcept;
    /// Before it sleeps with nothing to do later: says so, and whether somebody may wait for what it could do.
    void rest() noexcept;
    void watch(int fd, std::uint32_t events, std::uint64_t tag) const;
    void handle(std::uint64_t tag, std::uint32_t events) noexcept;
    void start_workers() noexcept;
    void start_one() noexcept;
    void send_setup(worker_process& to);
    void kill_the_late() noexcept;
    /// Its job, if that has had its time.
    void kill_if_overdue(worker_process& worker, time_point now) noexcept;
    /// The first of all; also says until when it is about to sleep at the most.
    time_point next_deadline() noexcept;
    bool is_over() noexcept;
    void start_has_failed(std::exception_ptr why, bool for_good) noexcept;
    void nothing_to_start_with(std::exception_ptr why) noexcept;
    bool nobody_works() noexcept;
    void fail_waiting(std::exception_ptr const& why) noexcept;

    // --- answers.cpp: what workers say, and their ends -----------------------------------------------------------------
    void read_channel(worker_process& from) noexcept;
    void take(worker_process& from, frame received);
    void take_hello(worker_process& from, frame const& received);
    void take_ready(worker_process& from);
    void take_overflow(worker_process& from, frame_header const& header);
    /// Under lock_. False: doomed meanwhile. Throws protocol_error if it has started already, or not said hello.
    bool expect_starting(worker_process const& from) const;
    /// `claimed`: by take_mail(), so that nobody else takes an answer of this worker meanwhile.
    void take_answer(worker_process& from, frame_header const& header, std::span<std::byte const> body, reader who,
                     bool claimed);
    /// What lies in the mailbox, if anything does. True if it was claimed.
    bool take_mail(worker_process& from, reader who) noexcept;
    /// After begin() at the mailbox: completes the job if its answer is there. The worker may be buried meanwhile.
    void wait_no_longer(worker_process& at, reader who) noexcept;
    void found_out(worker_process& bad, std::string why, reader who) noexcept;
    /// Suspends the calling task until the worker rings, the job is done, or the task is cancelled.
    void wait_at_bell(remote_job& job, worker_process& at) noexcept;
    /// What tasks at bells wait for, when others wait for the workers: a task may not get to run for long.
    void take_over_from_tasks() noexcept;
    void let_keeper_rest() noexcept;
    /// Whoever sleeps at a mailbox for this job, which is done: it is roused once, and may have yet to look whether it is.
    void rouse_sleeper(remote_job& job) noexcept;
    /// Takes its job away; without one it has been cancelled.
    job_ref job_of(worker_process& from);
    job_ref take_job_of(worker_process& from) noexcept;  // under lock_
    /// Jobs that wait and whose deadline has passed.
    void drop_late() noexcept;
    /// After its job: the next one, idle, or out.
    void carry_on(worker_process& with, reader who) noexcept;
    /// Gives waiting jobs to idle workers.
    void hand_out() noexcept;
    /// Under lock_.
    void retire(worker_process& old) noexcept;
    void doom(worker_process& bad, std::string why) noexcept;
    void stop_reading(worker_process& from) noexcept;
    void bury(worker_process& dead) noexcept;
    void look_for_what_it_left_unread(worker_process& dead) noexcept;
    void after_a_failed_start(worker_process& dead, process_end const& end) noexcept;
    bool put_back(job_ref& job) noexcept;

    process_pool_options const options_;
    std::vector<std::string> const arguments_;  // main()'s
    byte_buffer const initializer_;             // its name, as it stands in messages
    original_process const owner_;
    bool const spins_;  // there is a core for each side
    std::shared_ptr<segment_pool> const segments_;
    owned_descriptor epoll_;
    owned_descriptor wake_;
    std::atomic<std::uint64_t> next_job_{1};
    std::atomic<unsigned> idle_deaths_{0};  // since the last job that was answered
    patience answers_;                      // of those who wait for one
    event ended_;
    std::mutex end_lock_;
    std::thread keeper_;  // under end_lock_

    std::mutex mutable lock_;  // guards:
    waiting_jobs queue_;
    std::vector<worker_process*> idle_;  // the last one in is the first out: its caches are the warmest
    std::size_t starting_ = 0;
    std::size_t live_ = 0;    // starting, idle and busy workers
    std::size_t target_ = 0;  // as many as there was work for at some time
    bool closed_ = false;
    std::exception_ptr broken_;
    time_point keeper_sleeps_until_ = time_point::max();  // only the keeper writes it
    std::optional<wakes_nobody> keeper_rests_;            // it sleeps, and nobody waits for what it could do
    bool keeper_may_rest_ = false;                        // it sleeps, with nothing to do later
    bool unfinished_ = false;                             // some worker is
    std::size_t at_bells_ = 0;                            // workers at whose bells tasks wait
    std::size_t in_hand_ = 0;                             // answers that somebody who waits is about to deliver
    process_pool_stats counters_;

    // The keeper's alone.
    std::unordered_map<std::uint64_t, worker_ptr> workers_;
    std::uint64_t next_worker_ = 1;
    unsigned failed_starts_ = 0;  // since the last that succeeded
    unsigned failed_spawns_ = 0;  // of which there was no process at all
    time_point next_start_ = time_point::min();
};

}  // namespace coir::detail
