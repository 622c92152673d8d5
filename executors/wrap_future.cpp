// SPDX-License-Identifier: BSL-1.0
//
// A few futures have a thread each, which waits for nothing else. The rest are looked at by one more thread, in turns. All are
// jobs of the bridge threads, and end when they have nothing to wait for. Rejected: a thread for each future (thousands of
// them may be outstanding); only threads that look (one that waits for hours would keep a core busy, or each result come
// late); a thread that waits for one future of many (nothing can interrupt that wait when another one arrives).

#include <coir/executors/wrap_future.hpp>

#include <coir/executors/bridge_threads.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

namespace coir::detail {
namespace {

using clock_of_looks = std::chrono::steady_clock;

constexpr std::size_t k_most_waiters = 8;
// How long it takes until the next look: a part of the time since the last one came or was ready, within these bounds. Guessed.
constexpr int k_part = 20;
constexpr clock_of_looks::duration k_shortest = std::chrono::milliseconds(1);
constexpr clock_of_looks::duration k_longest = std::chrono::milliseconds(50);

class watchers {
public:
    static watchers& of_the_process() {
        static auto& all = *new watchers;  // never destroyed, as the threads that use it
        return all;
    }

    void add(std::unique_ptr<watched_future> what) {
        {
            std::lock_guard const guard(lock_);
            if (waiters_ == k_most_waiters) {
                arrived_.push_back(std::move(what));
                if (std::exchange(somebody_looks_, true)) {
                    arrival_.notify_one();
                    return;
                }
            } else {
                ++waiters_;
            }
        }
        // Before anything that can fail.
        if (what != nullptr) {
            waiter_job work(*this, std::move(what));
            bridge_threads().execute(std::move(work));
        } else {
            looker_job work(*this);
            bridge_threads().execute(std::move(work));
        }
    }

private:
    // Waits for one future. If it does not run (no memory, no thread), that breaks its promise.
    class waiter_job {
    public:
        waiter_job(watchers& all, std::unique_ptr<watched_future> what) noexcept : all_(&all), what_(std::move(what)) {}
        waiter_job(waiter_job&&) noexcept = default;
        waiter_job& operator=(waiter_job&&) = delete;
        ~waiter_job() {
            if (what_ != nullptr) {
                all_->end_waiter();
            }
        }
        void operator()() {
            what_->wait();
            all_->end_waiter();  // first: who has the result, and wraps another future, finds the place free
            std::exchange(what_, nullptr)->deliver();
        }

    private:
        watchers* all_;
        std::unique_ptr<watched_future> what_;
    };

    // Looks at the others. If it does not run, their promises break.
    class looker_job {
    public:
        explicit looker_job(watchers& all) noexcept : all_(&all) {}
        looker_job(looker_job&& other) noexcept : all_(std::exchange(other.all_, nullptr)) {}
        looker_job& operator=(looker_job&&) = delete;
        ~looker_job() {
            if (all_ != nullptr) {
                all_->drop_arrived();
            }
        }
        void operator()() {
            all_->look();
            all_ = nullptr;
        }

    private:
        watchers* all_;
    };

    void end_waiter() noexcept {
        std::lock_guard const guard(lock_);
        --waiters_;
    }

    void drop_arrived() noexcept {
        std::list<std::unique_ptr<watched_future>> dropped;  // its end may run anything
        std::lock_guard const guard(lock_);
        dropped.swap(arrived_);
        somebody_looks_ = false;
    }

    void look() {
        std::list<std::unique_ptr<watched_future>> mine;
        for (auto last_change = clock_of_looks::now();;) {
            std::unique_lock held(lock_);
            if (mine.empty() && arrived_.empty()) {
                somebody_looks_ = false;
                return;
            }
            auto const now = clock_of_looks::now();
            auto const next_look = now + std::clamp((now - last_change) / k_part, k_shortest, k_longest);
            if (arrival_.wait_until(held, next_look, [this] { return !arrived_.empty(); })) {
                last_change = clock_of_looks::now();
                held.unlock();
                // Not at once: each of a thousand that arrive in a row would have all the others looked at.
                std::this_thread::sleep_until(std::min(next_look, last_change + k_shortest));
                held.lock();
                mine.splice(mine.end(), arrived_);
            }
            held.unlock();
            auto const delivered = mine.remove_if([](auto const& f) {
                bool const ready = f->is_ready();
                if (ready) {
                    f->deliver();
                }
                return ready;
            });
            if (delivered != 0) {
                last_change = clock_of_looks::now();
            }
        }
    }

    std::mutex lock_;  // guards:
    std::size_t waiters_ = 0;
    bool somebody_looks_ = false;
    std::list<std::unique_ptr<watched_future>> arrived_;  // for the one who looks
    std::condition_variable arrival_;
};

}  // namespace

void watch(std::unique_ptr<watched_future> what, bool is_deferred) {
    if (is_deferred) {
        bridge_threads().execute([owned = std::move(what)] { owned->deliver(); });
    } else {
        watchers::of_the_process().add(std::move(what));
    }
}

}  // namespace coir::detail
