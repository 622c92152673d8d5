// SPDX-License-Identifier: BSL-1.0
//
// The side of the pool's threads: how they start, take jobs, sleep and end.

#include "core/base/futex.hpp"
#include "core/base/thread_name.hpp"
#include "executors/thread_pool_impl.hpp"

#include <coir/core/base/clock.hpp>
#include <coir/core/base/tls.hpp>

#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <sched.h>
#include <unistd.h>

namespace coir {
namespace {

// A thread inherits the processors of the one that starts it, which may be a worker that is pinned to one. The process's
// own, those of its first thread, are what a pool is for.
void unpin_this_thread() noexcept {
    cpu_set_t mask;
    if (::sched_getaffinity(::getpid(), sizeof mask, &mask) == 0) {
        ::pthread_setaffinity_np(::pthread_self(), sizeof mask, &mask);
    }
}

}  // namespace

void thread_pool_executor::pool::perform(effects& todo) noexcept {
    todo.wakes.wake_all();
    while (sleeper* const s = todo.chosen) {
        todo.chosen = s->next;
        // Release: the pair of the acquire in wait_to_be_chosen(). After it the sleeper may be gone.
        if (s->word.exchange(sleeper::k_chosen, std::memory_order_acq_rel) == sleeper::k_asleep) {
            detail::futex_wake(s->word, 1);
        }
    }
    for (; todo.threads_to_start > 0; --todo.threads_to_start) {
        start_one();
    }
}

void thread_pool_executor::pool::start_one() noexcept {
    try {
        auto argument = std::make_unique<std::shared_ptr<pool>>(shared_from_this());
        pthread_t thread{};
        int const error = ::pthread_create(&thread, nullptr, &thread_main, argument.get());
        if (error != 0) {
            throw std::system_error(error, std::generic_category(), "thread_pool_executor: no thread could be started");
        }
        static_cast<void>(argument.release());
    } catch (std::exception const&) {  // of those here, or std::bad_alloc
        starting_failed(std::current_exception());
    }
}

void thread_pool_executor::pool::starting_failed(std::exception_ptr const& reason) noexcept {
    effects todo;
    detail::job_list stranded;
    bool over = false;
    {
        lock const held(lock_);
        --starting_;
        --threads_;
        if (threads_ == 0) {  // else one of these takes what is queued when it has ended its job
            stranded = queue_.take_all();
            cancelled_ += stranded.size();
            over = closed_;
            turn_away_waiting(reason, todo);
        }
    }
    stranded.give_up_all(reason);
    perform(todo);
    if (over) {
        all_ended_.set();
    }
}

void* thread_pool_executor::pool::thread_main(void* argument) {
    std::shared_ptr<pool> const self =
        std::move(*std::unique_ptr<std::shared_ptr<pool>>(static_cast<std::shared_ptr<pool>*>(argument)));
    self->work();
    return nullptr;
}

void thread_pool_executor::pool::work() {
    detail::name_this_thread(options_.thread_name_prefix, names_.fetch_add(1, std::memory_order_relaxed));
    unpin_this_thread();
    detail::give_this_thread_to_executor(this);
    bool const usable = initialise();
    lock held(lock_);
    --starting_;
    while (usable && (run_next(held) || (!closed_ && sleep(held)))) {
    }
    end(held);
}

// A pool whose threads cannot be made ready runs nothing more: it is shut down for that reason.
bool thread_pool_executor::pool::initialise() noexcept {
    if (!options_.initializer) {
        return true;
    }
    std::exception_ptr broken;
    try {
        try {
            options_.initializer();
            return true;
        } catch (std::exception const& e) {
            throw broken_executor(std::string("thread_pool_executor: its initializer threw ") + e.what());
        } catch (...) {
            throw broken_executor("thread_pool_executor: its initializer threw something that is no std::exception");
        }
    } catch (std::exception const&) {  // or, without memory for it, std::bad_alloc
        broken = std::current_exception();
    }
    effects todo;
    detail::job_list dropped;
    {
        lock const held(lock_);
        if (!why_closed_ && !closed_) {
            why_closed_ = broken;
        }
        closed_ = true;
        cancelled_ += queue_.size();
        dropped = queue_.take_all();
        turn_away_waiting(nullptr, todo);
        while (sleepers_ != nullptr) {
            choose(*sleepers_, todo);
        }
    }
    perform(todo);
    dropped.give_up_all(broken);
    return false;
}

bool thread_pool_executor::pool::run_next(lock& held) {
    detail::job_base* const next = queue_.pop_front();
    if (next == nullptr) {
        return false;
    }
    effects todo;
    bool being_removed = false;
    next->leave(being_removed);
    admit_waiting(todo);
    held.unlock();
    perform(todo);
    if (being_removed) {
        next->await_removal();
    }
    auto const given_at = next->given_at();
    bool const ran = next->run();  // it ends here, with all that it captured, without the lock
    if (given_at != std::chrono::steady_clock::time_point()) {
        answers_.tell(std::chrono::steady_clock::now() - given_at <= detail::patience::k_most);
    }
    held.lock();
    cancelled_ += ran ? 0 : 1;
    return true;
}

// True if there is something to do: it was chosen, or has not slept at all. False if it has been idle for too long.
bool thread_pool_executor::pool::sleep(lock& held) {
    sleeper self;
    self.harmless.emplace();
    self.next = sleepers_;
    if (sleepers_ != nullptr) {
        sleepers_->previous = &self;
    }
    sleepers_ = &self;
    ++asleep_;
    // Not where the last job came from: whoever makes the next one has to get this core first.
    int const core = ::sched_getcpu();
    bool const elsewhere = core != submitters_core_;
    auto const look_for = elsewhere && looking_.load(std::memory_order_relaxed) < most_spinning_
                              ? jobs_.budget()
                              : detail::patience::duration::zero();
    bool const looks = look_for > detail::patience::duration::zero();
    self.looks_on = looks ? core : -1;
    looking_.fetch_add(looks ? 1 : 0, std::memory_order_relaxed);
    auto const since = std::chrono::steady_clock::now();
    held.unlock();
    bool const in_time = wait_to_be_chosen(self, since, look_for);
    if (elsewhere) {
        jobs_.tell(std::chrono::steady_clock::now() - since <= detail::patience::k_most);
    }
    held.lock();
    if (!in_time && !self.chosen) {
        (self.previous == nullptr ? sleepers_ : self.previous->next) = self.next;
        if (self.next != nullptr) {
            self.next->previous = self.previous;
        }
        --asleep_;
        return false;
    }
    --takers_;
    if (!in_time) {
        held.unlock();
        while (self.word.load(std::memory_order_acquire) != sleeper::k_chosen) {
            detail::futex_wait(self.word, sleeper::k_asleep);
        }
        held.lock();
    }
    return true;
}

bool thread_pool_executor::pool::wait_to_be_chosen(sleeper& self, time_point since,
                                                   detail::patience::duration look_for) noexcept {
    if (look_for > detail::patience::duration::zero()) {
        detail::look_until([&self] { return self.word.load(std::memory_order_relaxed) == sleeper::k_chosen; }, look_for,
                           [] { return false; });
        looking_.fetch_sub(1, std::memory_order_relaxed);
    }
    std::uint32_t looking = sleeper::k_looking;
    if (!self.word.compare_exchange_strong(looking, sleeper::k_asleep, std::memory_order_acq_rel)) {
        return true;
    }
    auto const deadline = options_.idle_timeout == std::chrono::nanoseconds::zero()
                              ? detail::k_never
                              : detail::deadline_after(since, options_.idle_timeout);
    while (self.word.load(std::memory_order_acquire) != sleeper::k_chosen) {
        if (deadline == detail::k_never) {
            detail::futex_wait(self.word, sleeper::k_asleep);
        } else if (!detail::futex_wait_until(self.word, sleeper::k_asleep, deadline)) {
            return false;
        }
    }
    return true;
}

void thread_pool_executor::pool::end(lock& held) {
    std::optional<pthread_t> const before = std::exchange(last_ended_, std::nullopt);
    bool const last = --threads_ == 0 && closed_;
    if (unattended_) {
        ::pthread_detach(::pthread_self());
    } else {
        last_ended_ = ::pthread_self();
    }
    held.unlock();
    if (before) {
        ::pthread_join(*before, nullptr);
    }
    if (last) {
        all_ended_.set();
    }
}

}  // namespace coir
