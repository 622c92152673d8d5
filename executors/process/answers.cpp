// SPDX-License-Identifier: BSL-1.0
//
// What workers say to their pool's keeper, and how they end. Nothing that comes from a worker is believed: its bytes
// were written by a process in which anything may have gone wrong.

#include "executors/process/exception_impl.hpp"
#include "executors/process/pool_impl.hpp"
#include "executors/process/request_impl.hpp"
#include "executors/process/scarce_impl.hpp"

#include <coir/core/task/task_ref.hpp>
#include <coir/executors/process/errors.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace coir::detail {
namespace {

// For static destructors and whatever else a program does when it ends.
constexpr auto k_time_to_end = std::chrono::seconds(5);
// A process that ends closes its descriptors just before it counts as ended.
constexpr auto k_time_without_channel = std::chrono::seconds(1);
constexpr std::uint8_t k_most_losses = 3;
// Of 16 KiB. More than a socket holds, unless somebody has got hold of the dead worker's end and goes on writing.
constexpr int k_most_last_reads = 1024;
constexpr char k_overflow[] = ", with a stack overflow";

std::string message_of(std::exception_ptr const& error) {
    try {
        std::rethrow_exception(error);
    } catch (remote_exception const& e) {
        return e.type_name() + ": " + e.what();
    } catch (std::exception const& e) {
        return e.what();
    } catch (cancelled const& e) {
        return "cancelled: " + e.reason();
    }
}

std::string described(worker_process const& worker) {
    return "worker process " + std::to_string(worker.process.pid);
}

}  // namespace

void process_pool::read_channel(worker_process& from) noexcept {
    try {
        while (from.channel_open) {
            auto const got = receive_some(from.process.channel.get(), from.reader.space());
            if (got.error == EAGAIN || got.error == EWOULDBLOCK) {
                return;
            }
            if (got.error != 0 || got.count == 0) {
                from.left_bytes_unread = got.error == ECONNRESET;
                stop_reading(from);
                from.deadline = std::min(from.deadline, std::chrono::steady_clock::now() + k_time_without_channel);
                return;
            }
            from.reader.advance(got.count);
            while (from.channel_open) {
                auto received = from.reader.next();
                if (!received) {
                    break;
                }
                take(from, std::move(*received));
            }
        }
    } catch (std::bad_alloc const&) {
        doom(from, joined({"its answer did not fit into memory"}));
    } catch (protocol_error const& error) {
        doom(from, joined({"it sent ", error.what()}));
    } catch (wire_error const& error) {
        doom(from, joined({error.what()}));
    }
}

void process_pool::stop_reading(worker_process& from) noexcept {
    if (std::exchange(from.channel_open, false)) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, from.process.channel.get(), nullptr);
    }
}

void process_pool::take(worker_process& from, frame received) {
    switch (received.header.kind) {
    case frame_kind::hello:
        return take_hello(from, received);
    case frame_kind::ready:
        return take_ready(from);
    case frame_kind::start_failed: {
        {
            std::lock_guard const guard(lock_);
            if (!expect_starting(from)) {
                return;
            }
        }
        if (from.start_error) {
            throw protocol_error("a message out of turn");
        }
        wire_input in(received.body);
        from.start_error = std::make_exception_ptr(
            broken_executor("coir::process_pool_executor: the initializer of the worker processes threw: " +
                            message_of(read_exception(in))));
        return;  // it ends by itself
    }
    case frame_kind::value:
    case frame_kind::error:
        return take_answer(from, received.header, received.body, reader::keeper, false);
    case frame_kind::overflow:
        return take_overflow(from, received.header);
    case frame_kind::setup:
    case frame_kind::job:
        break;
    }
    throw protocol_error("a message that only pools send");
}

void process_pool::take_hello(worker_process& from, frame const& received) {
    wire_input in(received.body);
    hello_message const hello = read_hello(in);
    if (from.said_hello || hello.secret != from.process.secret) {
        throw protocol_error("a hello of somebody else");
    }
    if (hello.program != program_image()) {
        throw protocol_error("a hello of another build of the program");
    }
    from.said_hello = true;
}

bool process_pool::expect_starting(worker_process const& from) const {
    if (from.now == worker_process::stage::doomed) {
        return false;
    }
    if (from.now != worker_process::stage::starting || !from.said_hello) {
        throw protocol_error("a message out of turn");
    }
    return true;
}

void process_pool::take_ready(worker_process& from) {
    {
        std::lock_guard const guard(lock_);
        if (!expect_starting(from)) {
            return;
        }
        from.now = worker_process::stage::busy;
        --starting_;
    }
    from.deadline = time_point::max();
    failed_starts_ = 0;
    carry_on(from, reader::keeper);
}

void process_pool::take_overflow(worker_process& from, frame_header const& header) {
    std::lock_guard const guard(lock_);
    if (from.now == worker_process::stage::doomed) {
        return;
    }
    if (from.has_overflowed || header.size != 0 || header.job != (from.job ? from.job->id : 0)) {
        throw protocol_error("a message out of turn");
    }
    from.has_overflowed = true;
}

job_ref process_pool::job_of(worker_process& from) {
    std::lock_guard const guard(lock_);
    return take_job_of(from);
}

job_ref process_pool::take_job_of(worker_process& from) noexcept {
    if (from.job) {
        from.job->place = remote_job::where::nowhere;
        --counters_.running;
    }
    return std::move(from.job);
}

void process_pool::take_answer(worker_process& from, frame_header const& header, std::span<std::byte const> body,
                               reader who, bool claimed) {
    job_ref job;
    {
        std::lock_guard const guard(lock_);
        if (from.job && from.job->id == header.job) {
            if (!claimed && std::exchange(from.answer_in_hand, true)) {
                throw protocol_error("two answers to one job");
            }
            job = job_ref(*from.job);
        } else if (from.now != worker_process::stage::doomed) {
            throw protocol_error("an answer to a job that it does not have");
        } else {
            return;  // the job was cancelled meanwhile
        }
    }
    // Read first: a worker that answers with garbage must not get another job.
    bool const ours = job->state().start_completion();
    if (ours) {
        wire_input in(body);
        std::exception_ptr thrown;
        std::optional<std::string> garbage;
        // What reads the result is the user's code, and may suspend. In a task that waits, whose cancellation is no reason to lose
        // what has come.
        cancel_shield const shield;
        try {
            if (header.kind == frame_kind::value) {
                job->load_result(in);
            } else {
                thrown = read_exception(in);
            }
        } catch (wire_error const& error) {
            garbage = joined({error.what()});
        } catch (cereal::Exception const& error) {
            garbage = joined({error.what()});  // a variant of no such kind, say
        } catch (...) {
            thrown = std::current_exception();  // from the result's own code, or no memory for it
        }
        if (garbage) {
            let_go(job_of(from));
            job->state().set_error(error_of(
                [&] { return worker_died("the " + described(from) + " was killed: " + *garbage, SIGKILL, -1); }));
            found_out(from, std::move(*garbage), who);
            complete(*job);
            return;
        }
        if (thrown) {
            try {
                // Not kept here: its last owner is to be one of those who wait.
                std::rethrow_exception(std::exchange(thrown, nullptr));
            } catch (...) {
                job->state().set_current_exception();
            }
        }
    }
    job_ref ended;
    {
        std::lock_guard const guard(lock_);
        ended = take_job_of(from);
        from.answer_in_hand = false;
        counters_.completed += ended ? 1 : 0;  // else a canceller has just taken it, and counted it
    }
    let_go(ended);
    idle_deaths_.store(0, std::memory_order_relaxed);
    carry_on(from, who);
    if (ours) {
        complete(*job);
    }
}

// ---- what a worker does next -----------------------------------------------------------------------------------------

void process_pool::drop_late() noexcept {
    for (;;) {
        job_ref late;
        {
            std::lock_guard const guard(lock_);
            auto const first = queue_.first_deadline();
            if (first == k_never || first > std::chrono::steady_clock::now()) {
                return;
            }
            late = queue_.pop_first_deadline();
            ++counters_.cancelled;
        }
        complete_late(late);
    }
}

void process_pool::carry_on(worker_process& with, reader who) noexcept {
    if (who != reader::submitting) {
        drop_late();
    }
    std::unique_lock<std::mutex> io;
    std::shared_ptr<segment> read;  // goes back without the lock
    {
        std::lock_guard const guard(lock_);
        read = std::move(with.reading);
        if (with.now != worker_process::stage::busy) {
            return;  // cancelled, with the worker
        }
        bool const used_up = options_.max_jobs_per_worker != 0 && with.jobs_given >= options_.max_jobs_per_worker;
        bool const others_wait = who == reader::submitting && !queue_.empty();
        if (who != reader::keeper && (with.has_ended || used_up || broken_ || closed_ || others_wait)) {
            with.unfinished = unfinished_ = true;
            wake_keeper();
            return;
        }
        if (with.has_ended) {
            with.now = worker_process::stage::doomed;
            --live_;
        } else if (used_up || broken_ || (closed_ && queue_.empty())) {
            retire(with);
        } else if (!queue_.empty()) {
            io = give(with, queue_.pop_front());
        } else {
            with.now = worker_process::stage::idle;
            idle_.push_back(&with);
        }
    }
    if (io) {
        send_or_watch(with);
    }
}

void process_pool::hand_out() noexcept {
    for (;;) {
        drop_late();
        std::unique_lock<std::mutex> io;
        worker_process* to = nullptr;
        {
            std::lock_guard const guard(lock_);
            if (queue_.empty() || idle_.empty()) {
                return;
            }
            to = idle_.back();
            idle_.pop_back();
            io = give(*to, queue_.pop_front());
        }
        send_or_watch(*to);
    }
}

void process_pool::retire(worker_process& old) noexcept {
    old.now = worker_process::stage::retiring;
    --live_;
    old.deadline = std::chrono::steady_clock::now() + k_time_to_end;
    ::shutdown(old.process.channel.get(), SHUT_WR);
    if (old.mail && old.mail->to_worker.point_to_socket()) {
        old.mail->to_worker.wake();
    }
}

void process_pool::doom(worker_process& bad, std::string why) noexcept {
    stop_reading(bad);
    bad.doom = std::move(why);
    {
        std::lock_guard const guard(lock_);
        idle_.erase(std::remove(idle_.begin(), idle_.end(), &bad), idle_.end());
    }
    kill_process(bad.process.process.get());
}

// ---- ends ------------------------------------------------------------------------------------------------------------

void process_pool::bury(worker_process& dead) noexcept {
    worker_ptr const keep = dead.shared_from_this();
    {
        std::lock_guard const guard(lock_);
        dead.has_ended = true;
    }
    kill_group(dead.process);  // they may hold its end of the channel
    // It may have answered before it died, and nothing that arrived is lost.
    read_channel(dead);
    take_mail(dead, reader::keeper);
    stop_reading(dead);
    if (!dead.doom.empty()) {
        look_for_what_it_left_unread(dead);
    }
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, dead.process.process.get(), nullptr);
    process_end const end = collect(dead.process.process.get());
    workers_.erase(dead.number);

    // In one step, so that nobody gives it another job that would be lost with it.
    job_ref job;
    worker_process::stage before{};
    {
        std::lock_guard const guard(lock_);
        if (!dead.answer_in_hand) {
            job = take_job_of(dead);
        }
        before = std::exchange(dead.now, worker_process::stage::doomed);
        bool const was_starting = before == worker_process::stage::starting;
        if (was_starting || before == worker_process::stage::idle || before == worker_process::stage::busy) {
            --live_;
            starting_ -= was_starting ? 1 : 0;
            ++counters_.workers_died;
            idle_.erase(std::remove(idle_.begin(), idle_.end(), &dead), idle_.end());
        }
    }
    bool never_read = false;
    {
        std::lock_guard const io(dead.io);  // who gave it the job before that step has finished sending
        never_read = dead.left_bytes_unread || !dead.all_sent() || (dead.mail && dead.mail->to_worker.is_full());
    }
    if (before == worker_process::stage::starting) {
        after_a_failed_start(dead, end);
    } else if (before == worker_process::stage::idle) {
        // Perhaps something kills all of them as soon as they are up.
        unsigned const deaths = ++idle_deaths_;
        next_start_ =
            std::chrono::steady_clock::now() +
            (deaths > 1 ? std::chrono::milliseconds(10U << std::min(deaths, 6U)) : std::chrono::milliseconds(0));
    }
    if (job && !(never_read && put_back(job))) {
        complete_with(job, error_of([&] {
                          std::string text = "the " + described(dead) + " " + end.text() + " while it ran a job";
                          text += dead.has_overflowed ? k_overflow : "";
                          text += dead.doom.empty() ? "" : ": " + dead.doom;
                          return worker_died(text, end.signal, end.exit_status);
                      }));
        let_go(job);
    }
}

// What it sent is not believed any more, but what the kernel says of its end of the channel is: a job that was given to it
// just before it was found out has nothing to do with that.
void process_pool::look_for_what_it_left_unread(worker_process& dead) noexcept {
    std::array<std::byte, 16 * 1024> ignored;
    for (int i = 0; i < k_most_last_reads; ++i) {
        auto const got = receive_some(dead.process.channel.get(), ignored);
        if (got.error != 0 || got.count == 0) {
            dead.left_bytes_unread = got.error == ECONNRESET;
            return;
        }
    }
}

void process_pool::after_a_failed_start(worker_process& dead, process_end const& end) noexcept {
    std::exception_ptr why = dead.start_error;
    if (!why) {
        auto const text = [&] {
            std::string result = "coir::process_pool_executor: a worker process ";
            if (dead.was_late) {
                return result + "was not ready within start_timeout" +
                       (dead.said_hello ? ": its initializer has not returned" : ": it has not reached main()'s entry");
            }
            result += end.text() + (dead.said_hello ? " in its initializer" : " before it was ready");
            result += dead.has_overflowed ? k_overflow : "";
            return dead.doom.empty() ? result : result + ": " + dead.doom;
        };
        why = dead.said_hello ? error_of([&] { return broken_executor(text()); })
                              : error_of([&] { return worker_start_error(text()); });
    }
    start_has_failed(std::move(why), dead.was_late);
}

// A job that was never read goes to another worker, in front of all that came after it.
bool process_pool::put_back(job_ref& job) noexcept {
    std::lock_guard const guard(lock_);
    if (job->state().completion_started()) {
        ++counters_.cancelled;
        return true;  // cancelled, by somebody who will not find it in the queue any more
    }
    if (job->lost_before_start >= k_most_losses || broken_) {
        return false;
    }
    ++job->lost_before_start;
    queue_.push_front(std::move(job));
    return true;
}

}  // namespace coir::detail
