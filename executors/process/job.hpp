// SPDX-License-Identifier: BSL-1.0
#pragma once

// A job on its way to a worker process and back. It is the state behind the caller's future at the same time: one
// allocation, and a cancellation of the future finds its job.
//
// Roles: the submitter makes it; the pool queues it, gives it to a worker, and completes it from its keeper thread, or from
// whoever waits for it when the answer comes at once; anybody who holds the future may cancel it.
//
// Invariants
//   1. Whoever wins start_completion() decides the outcome: the canceller, or the keeper or a waiter with the worker's answer.
//   2. `place` and what it stands for change under the pool's lock only.
//   3. The pool holds a reference to the state while the job is queued or running.
//   4. `outside` ends after the outcome was delivered, by whoever delivered it.
//   5. The deadline is the pool's to keep, whoever holds the future: past it the keeper does what a canceller would, unless
//      the answer lies there by then, and the outcome is timeout_error. Not a cancellation: that would look to a task, whose
//      own timer has not fired yet, like one from outside of its time limit.

#include <coir/core/base/clock.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/outside_work.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/executors/process/archive.hpp>
#include <coir/executors/process/bytes.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace coir::detail {

class process_pool;
struct worker_process;
class segment;

/// Does it take no code of the user's to read one? Who submits may hold locks that such code wants.
template <class R>
inline constexpr bool k_plain_result = std::is_void_v<R> || std::is_arithmetic_v<R>;
template <>
inline constexpr bool k_plain_result<std::string> = true;
template <class T>
inline constexpr bool k_plain_result<std::vector<T>> = k_plain_result<T>;

/// A job without its result type: what the pool handles.
class remote_job {
public:
    remote_job() = default;
    remote_job(remote_job const&) = delete;
    remote_job& operator=(remote_job const&) = delete;

    virtual shared_state_base& state() noexcept = 0;
    /// Reads the result. Only for who has won state().start_completion(), and then calls state().complete().
    virtual void load_result(wire_input& in) = 0;
    /// May whoever submits it read its result then and there?
    virtual bool has_plain_result() const noexcept = 0;

    /// Work that goes on outside of the submitter's runtime.
    std::optional<outside_work> outside{std::in_place};

    bool is_late() const noexcept { return deadline != k_never && deadline <= std::chrono::steady_clock::now(); }

    // --- the pool's ------------------------------------------------------------------------------------------------
    enum class where : std::uint8_t { nowhere, queued, running };

    std::shared_ptr<process_pool> pool;
    std::shared_ptr<byte_buffer> frame;  // the whole message to the worker
    std::shared_ptr<segment> shared;     // what it refers to in shared memory
    std::uint64_t id = 0;
    clock::time_point deadline = k_never;        // on the steady clock; set before the pool has it
    worker_process* worker = nullptr;            // while running
    std::shared_ptr<worker_process> sleeper_at;  // at whose mailbox a thread that waits for this sleeps
    remote_job* next = nullptr;                  // in the queue
    remote_job* previous = nullptr;
    remote_job* below = nullptr;   // in the queue's heap of deadlines: the first of those below
    remote_job* beside = nullptr;  // the next one below the same
    remote_job* before = nullptr;  // the one above, for the first below it; else the one that this is beside
    where place = where::nowhere;
    std::uint8_t lost_before_start = 0;  // how many workers died before they had read it

protected:
    ~remote_job() = default;
    /// Somebody is about to wait.
    void hasten() noexcept;
    /// The future was cancelled: leave the queue, or kill the worker.
    void withdraw() noexcept;
};

/// A counted reference to a job.
class job_ref {
public:
    job_ref() = default;
    explicit job_ref(remote_job& job) noexcept : keep_(state_ptr<shared_state_base>::share(&job.state())), job_(&job) {}
    job_ref(job_ref&& other) noexcept : keep_(std::move(other.keep_)), job_(std::exchange(other.job_, nullptr)) {}
    job_ref& operator=(job_ref&& other) noexcept {
        keep_ = std::move(other.keep_);
        job_ = std::exchange(other.job_, nullptr);
        return *this;
    }
    ~job_ref() = default;
    /// Takes over the reference that release() has let go of.
    static job_ref adopt(remote_job& job) noexcept {
        job_ref result;
        result.keep_ = state_ptr<shared_state_base>::adopt(&job.state());
        result.job_ = &job;
        return result;
    }
    remote_job* release() noexcept {
        keep_.detach();
        return std::exchange(job_, nullptr);
    }

    remote_job* get() const noexcept { return job_; }
    remote_job* operator->() const noexcept { return job_; }
    remote_job& operator*() const noexcept { return *job_; }
    explicit operator bool() const noexcept { return job_ != nullptr; }

private:
    state_ptr<shared_state_base> keep_;
    remote_job* job_ = nullptr;
};

template <class R>
class process_job final : public future_state<R>, public remote_job {
public:
    process_job() noexcept { this->publish(1); }

    shared_state_base& state() noexcept override { return *this; }

    void load_result(wire_input& in) override {
        if constexpr (std::is_void_v<R>) {
            in.expect_end();
            this->result.emplace();
        } else {
            R value{};
            in(value);
            in.expect_end();
            this->result.emplace(std::move(value));
        }
    }

    bool has_plain_result() const noexcept override { return k_plain_result<R>; }

    void before_waiting() noexcept override { this->hasten(); }

    bool request_cancel(cancel_reason reason) noexcept override {
        // Whoever waits may let go of it as soon as it is cancelled.
        auto const keep = state_ptr<shared_state_base>::share(this);
        if (!future_state<R>::request_cancel(std::move(reason))) {
            return false;
        }
        this->withdraw();
        return true;
    }
};

}  // namespace coir::detail
