// SPDX-License-Identifier: BSL-1.0
#pragma once

// A queue of jobs under a lock, and threads that take them.
//
// Roles: submitters; the pool's threads; cancellers, who take a job out of the middle; whoever shuts the pool down.
//
// A thread is starting, running a job, or asleep. One that was chosen out of the sleepers and has not got to the queue yet is
// a taker. One that is starting comes to the queue too, but who knows when: its initializer may take its time.
//
// Invariants, under lock_
//   1. While the queue holds more jobs than there are takers, nobody sleeps; and while it holds more than these and the
//      starting threads together, all the threads that there may be exist (or the last attempt to start one has failed). So
//      a job is never left lying while a thread could take it, and a submit wakes or starts one thread, or none if somebody
//      is on the way already.
//   2. A thread goes to sleep, or ends, only when the queue is empty.
//   3. Callers wait for room only while the queue is full. Whoever takes a job out moves the first one's job in, in place
//      of it: nobody overtakes.
//   4. Nobody is woken, started or called while the lock is held: what is to be done lies in an `effects`, for afterwards.
//
// A sleeper lies on its thread's stack. It is reachable while it is linked, under lock_, and once chosen until its word is
// set: its thread waits for that, even if its time is over.
//
// Ended threads are joined: each by the next one that ends, the last by whoever waits for the shutdown. So when that returns,
// their thread_local objects are gone too. If nobody will wait, they are detached as they end.
//
// Looking before sleeping. A thread without a job looks for one for as long as that has paid lately (patience), but not on the core
// on which the last job was submitted: whoever submits the next one has to get that core first. If a job is given to a
// thread that looks on another core, whoever waits for its end looks for that, too. So two that are in step need no
// system call, two on one core never spin at each other, and an idle pool sleeps.
//
// Rejected: a queue for each thread (jobs block: one behind a blocked one would wait, while others are idle); a semaphore
// (wakes the thread that has slept longest, and cannot be told that a thread is on its way); detached threads.

#include "core/base/forked.hpp"
#include "core/base/patience.hpp"
#include "core/base/thread_count.hpp"
#include "executors/job_list_impl.hpp"

#include <coir/core/base/atomic.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/executors/thread_pool.hpp>
#include <coir/sync/event.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>

#include <pthread.h>

namespace coir {

class thread_pool_executor::pool final : public std::enable_shared_from_this<thread_pool_executor::pool>,
                                         private detail::job_queue {
public:
    explicit pool(thread_pool_options options);

    void execute(job work);
    void close(bool cancel_pending);
    void wait_until_ended();
    /// Nobody will wait for the threads.
    void let_threads_go();
    bool runs_caller() const noexcept;
    /// Is this process a fork of the one with its threads? Then nobody may hold the lock, and yet it may be locked.
    bool has_lost_its_threads() const noexcept;
    executor_stats stats() const;

private:
    using lock = std::unique_lock<detail::spin_mutex>;
    using time_point = std::chrono::steady_clock::time_point;

    struct sleeper {
        static constexpr std::uint32_t k_looking = 0;
        static constexpr std::uint32_t k_asleep = 1;
        static constexpr std::uint32_t k_chosen = 2;

        std::atomic<std::uint32_t> word{k_looking};
        int looks_on = -1;    // under lock_: the core; -1: goes to sleep at once
        bool chosen = false;  // under lock_; the word follows
        sleeper* next = nullptr;
        sleeper* previous = nullptr;
        // Ends when the sleeper is chosen, not when it is awake: the job that it is for is somebody who may wake tasks.
        std::optional<detail::wakes_nobody> harmless;
    };

    // A caller that waits for room.
    struct submitter : detail::wait_node {
        submitter(detail::waiter& w, detail::job_base& j) noexcept : work(&j) { who = &w; }
        detail::job_base* work;
        bool accepted = false;
        std::exception_ptr refused;
    };

    struct effects {
        detail::wake_list wakes;
        sleeper* chosen = nullptr;  // linked by `next`
        std::size_t threads_to_start = 0;
    };
    void perform(effects& todo) noexcept;

    // --- under lock_ -------------------------------------------------------------------------------------------------
    bool is_full() const noexcept;
    void append(detail::job_base& work, effects& todo) noexcept;
    void summon(effects& todo) noexcept;
    void choose(sleeper& s, effects& todo) noexcept;
    void admit_waiting(effects& todo) noexcept;
    [[noreturn]] void throw_closed() const;
    /// Null: for the reason for which the pool is closed.
    void turn_away_waiting(std::exception_ptr const& reason, effects& todo) noexcept;

    void wait_for_room(job& work);
    void remove(detail::job_base& work) noexcept override;

    // --- threads -----------------------------------------------------------------------------------------------------
    static void* thread_main(void* argument);
    void start_one() noexcept;
    void starting_failed(std::exception_ptr const& reason) noexcept;
    void work();
    bool initialise() noexcept;
    bool run_next(lock& held);
    bool sleep(lock& held);
    bool wait_to_be_chosen(sleeper& self, time_point since, detail::patience::duration look_for) noexcept;
    void end(lock& held);

    thread_pool_options options_;
    unsigned const
        most_spinning_;  // asked here: to count the cores takes files, which no thread opens on its way to sleep
    detail::original_process owner_;            // of its threads
    std::atomic<bool> has_had_threads_{false};  // in whatever process
    std::atomic<std::uint64_t> names_{0};
    std::atomic<unsigned> looking_{0};
    detail::patience jobs_;     // of threads that wait for one
    detail::patience answers_;  // of those who wait for a job's end
    alignas(detail::k_false_sharing_range) detail::atomic<std::uint64_t> completed_{0};

    alignas(detail::k_false_sharing_range) detail::spin_mutex mutable lock_;  // guards:
    int submitters_core_ = -1;                                                // where the last job came from
    detail::job_list queue_;
    detail::wait_list room_;
    sleeper* sleepers_ = nullptr;  // the last to come first
    std::size_t asleep_ = 0;
    std::size_t threads_ = 0;
    std::size_t takers_ = 0;
    std::size_t starting_ = 0;
    std::size_t waiting_ = 0;
    bool closed_ = false;
    bool unattended_ = false;
    std::exception_ptr why_closed_;  // null: shut down
    std::optional<pthread_t> last_ended_;
    std::uint64_t submitted_ = 0;
    std::uint64_t cancelled_ = 0;
    std::uint64_t rejected_ = 0;

    event all_ended_;
};

}  // namespace coir
