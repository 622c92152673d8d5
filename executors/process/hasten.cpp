// SPDX-License-Identifier: BSL-1.0
//
// The short way back: who is about to wait for a job looks into its worker's mailbox for a moment, and completes the job
// in person. No thread is woken then, neither the keeper nor the one that waits. A plain thread then goes to sleep there, so that
// the worker wakes it, and no thread in between.
//
// What is found there is believed as little as what comes through the socket. Somebody who waits must not touch what is the
// keeper's alone: whatever a worker is to do after its answer but run the next job or lie idle is left to the keeper.

#include "core/base/assert.hpp"
#include "executors/process/pool_impl.hpp"
#include "executors/process/request_impl.hpp"
#include "executors/process/scarce_impl.hpp"

#include <coir/core/task/suspend.hpp>
#include <coir/core/task/task_base.hpp>
#include <coir/executors/process/errors.hpp>

#include <chrono>
#include <csignal>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace coir::detail {
namespace {

constexpr wait_kind k_waits_for_a_worker_process{"a worker process"};

// Waits in two places, and leaves both before it goes on. No wake-up is lost: what was rung before is forgotten first, then
// the worker is told to ring.
void suspend_until_rung(remote_job& job, worker_process& at) noexcept {
    at.bell->expect();
    io_readiness& rung = at.bell->direction(io_direction::read);
    rung.clear_ready_unless_hung_up(rung.snapshot());
    {
        wait_point wait(cancel_policy::only_interrupt);
        wait.is_for(k_waits_for_a_worker_process);
        join_node done(wait.who());
        // A request that is there already is passed on to the job by who has called this.
        if (!static_cast<task_base&>(wait.who()).cancel_is_due() && at.mail->to_pool.wait_for_bell() &&
            job.state().add(done)) {
            if (rung.enlist(wait.node)) {
                wait.suspend();
                rung.withdraw(wait.node);
            } else {
                wait.withdraw();
            }
            job.state().erase(done);
        }
    }
    at.bell->expect_no_more();
}

}  // namespace

void process_pool::hasten(remote_job& job) noexcept {
    if (!spins_ || !owner_.is_this()) {
        return;  // a fork would take its parent's answer
    }
    bool const is_task = current_task_or_null() != nullptr;
    bool may_sleep = !is_task;  // a task suspends, so that its worker can do something else
    worker_ptr worker;
    {
        std::lock_guard const guard(lock_);
        if (job.place != remote_job::where::running || !job.worker->mail || job.worker->answer_in_hand) {
            return;
        }
        worker = job.worker->shared_from_this();
    }
    // A worker that has to be woken first may well be woken on this core.
    bool const may_look = worker->is_awake.load(std::memory_order_relaxed) && may_linger();
    auto const at_most = may_look ? answers_.budget() : patience::duration::zero();
    if (at_most == patience::duration::zero() && !may_sleep && !worker->bell) {
        return;
    }
    mail_slot& slot = worker->mail->to_pool;
    if (!slot.begin()) {
        return;
    }
    auto const is_done = [&job] { return job.state().is_done(); };
    bool came = false;
    if (at_most != patience::duration::zero()) {
        came = watch_for(slot, at_most, [&] { return is_done() || !may_linger(); });
        answers_.tell(came || is_done());
    }
    if (!came && is_task && worker->bell) {
        wait_at_bell(job, *worker);
    } else if (!came && may_sleep) {
        {
            std::lock_guard const guard(lock_);
            may_sleep = job.sleeper_at == nullptr;  // else it had another worker, where somebody sleeps still
            job.sleeper_at = may_sleep ? worker : job.sleeper_at;
        }
        if (may_sleep) {
            slot.sleep_until(std::chrono::steady_clock::now() + k_longest_sleep, is_done);
            std::lock_guard const guard(lock_);
            job.sleeper_at.reset();
        }
    }
    wait_no_longer(*worker, reader::waiting);
}

void process_pool::wait_no_longer(worker_process& at, reader who) noexcept {
    if (at.mail->to_pool.end() && take_mail(at, who)) {
        let_keeper_rest();
    }
}

// Only one task at a time: the next one may come as soon as somebody has taken the answer over, before the first got to run, and
// if it is another runtime's it has the bell registered anew.
void process_pool::wait_at_bell(remote_job& job, worker_process& at) noexcept {
    {
        std::lock_guard const guard(lock_);
        if (at.at_bell || !queue_.empty() || closed_ || job.place != remote_job::where::running) {
            return;
        }
        at.at_bell = true;
        ++at_bells_;
    }
    try {
        at.bell->watch();
        suspend_until_rung(job, at);
    } catch (std::exception const&) {
        // Another runtime has had it, or there is no memory: the keeper does as well.
    }
    std::lock_guard const guard(lock_);
    at.at_bell = false;
    --at_bells_;
}

void process_pool::take_over_from_tasks() noexcept {
    for (auto const& [number, worker] : workers_) {
        {
            std::lock_guard const guard(lock_);
            if (at_bells_ == 0 || (queue_.empty() && !closed_)) {
                return;
            }
            if (!worker->at_bell) {
                continue;
            }
        }
        // It answers through the socket, or has answered.
        [[maybe_unused]] bool const sleeps = worker->mail->to_pool.point_to_socket();
        take_mail(*worker, reader::keeper);
    }
}

// It has said where it sleeps before it looked for the last time whether the job is done.
void process_pool::rouse_sleeper(remote_job& job) noexcept {
    COIR_ASSERT(job.state().is_done());
    worker_ptr at;
    {
        std::lock_guard const guard(lock_);
        at = std::move(job.sleeper_at);
    }
    if (at) {
        at->mail->to_pool.rouse();
    }
}

bool process_pool::take_mail(worker_process& from, reader who) noexcept {
    {
        std::lock_guard const guard(lock_);
        if (!from.mail || !from.job || from.answer_in_hand || !from.mail->to_pool.claim()) {
            return false;
        }
        from.answer_in_hand = true;
        in_hand_ += who != reader::keeper ? 1 : 0;
    }
    try {
        auto const size = from.mail->to_pool.read(from.from_mail);
        if (!size || *size < k_frame_header_size) {
            throw protocol_error("a message of no possible size");
        }
        auto const message = std::span<std::byte const>(from.from_mail).first(*size);
        frame_header const header = read_header(message.first<k_frame_header_size>());
        auto const body = message.subspan(k_frame_header_size);
        if (header.size != body.size() || (header.kind != frame_kind::value && header.kind != frame_kind::error)) {
            throw protocol_error("a message out of turn");
        }
        take_answer(from, header, body, who, true);
    } catch (std::bad_alloc const&) {
        found_out(from, joined({"its answer did not fit into memory"}), who);
    } catch (protocol_error const& error) {
        found_out(from, joined({"it sent ", error.what()}), who);
    } catch (wire_error const& error) {
        found_out(from, joined({error.what()}), who);
    }
    if (who != reader::keeper) {
        std::lock_guard const guard(lock_);
        if (--in_hand_ == 0 && closed_) {
            wake_keeper();
        }
    }
    return true;
}

// The keeper notes it for the worker's end. Others end the job themselves, as the worker may be buried already, and leave to
// the keeper what follows from its death.
void process_pool::found_out(worker_process& bad, std::string why, reader who) noexcept {
    if (who == reader::keeper) {
        {
            std::lock_guard const guard(lock_);
            bad.answer_in_hand = false;
        }
        doom(bad, std::move(why));
        return;
    }
    job_ref job;
    {
        std::lock_guard const guard(lock_);
        job = take_job_of(bad);
        bad.answer_in_hand = false;
    }
    kill_process(bad.process.process.get());
    if (job) {
        complete_with(job, error_of([&] {
                          return worker_died("the worker process " + std::to_string(bad.process.pid) +
                                                 " was killed: " + why,
                                             SIGKILL, -1);
                      }));
        let_go(job);
    }
}

// The keeper may have slept all the while, with a job that ran when it fell asleep. Now it has nothing to do.
void process_pool::let_keeper_rest() noexcept {
    std::lock_guard const guard(lock_);
    if (keeper_may_rest_ && !keeper_rests_ && !closed_ && queue_.empty() && counters_.running == 0) {
        keeper_rests_.emplace();
    }
}

void process_pool::finish_what_others_left() noexcept {
    for (;;) {
        worker_ptr left;
        {
            std::lock_guard const guard(lock_);
            for (auto it = workers_.begin(); unfinished_ && !left && it != workers_.end(); ++it) {
                left = std::exchange(it->second->unfinished, false) ? it->second : nullptr;
            }
            unfinished_ = left != nullptr;
        }
        if (!left) {
            return;
        }
        carry_on(*left, reader::keeper);
    }
}

}  // namespace coir::detail
