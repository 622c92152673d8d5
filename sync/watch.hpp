// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   watch<T>(initial)   one value that changes; receivers see the latest. tokio's sync::watch
//   watch_receiver<T>   one who follows it
//
//     watch<config> current(load());
//     auto follower = current.subscribe();
//     while (follower.changed() != 0) { apply(follower.get()); }

#include <coir/core/base/clock.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/sync/channel.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

namespace coir {

namespace detail {

inline constexpr wait_kind k_waits_for_change{"a change of a watch"};

// The value is kept by pointer, so that no T is copied or destroyed under the lock.
template <class T>
struct watch_state {
    explicit watch_state(std::shared_ptr<T const> initial) noexcept : value(std::move(initial)) {}

    spin_mutex lock;  // guards the rest
    std::shared_ptr<T const> value;
    std::uint64_t version = 0;  // how often it was set
    std::size_t receivers = 0;
    bool closed = false;
    wait_list waiters;

    std::shared_ptr<T const> latest(std::uint64_t* seen) {
        std::lock_guard const guard(lock);
        if (seen != nullptr) {
            *seen = version;
        }
        return value;
    }
};

}  // namespace detail

/// Follows a watch. Belongs to one task or thread at a time. Move-only; may outlive the watch.
template <class T>
class watch_receiver {
public:
    watch_receiver(watch_receiver&& other) noexcept = default;
    watch_receiver& operator=(watch_receiver&& other) noexcept {
        watch_receiver taken(std::move(other));
        std::swap(state_, taken.state_);
        std::swap(seen_, taken.seen_);
        return *this;
    }
    ~watch_receiver() {
        if (state_) {
            std::lock_guard const guard(state_->lock);
            --state_->receivers;
        }
    }

    /// The latest value, which then counts as seen, if copying it did not throw. Does not suspend.
    T get() {
        std::uint64_t const seen_before = seen_;
        auto const value = get_shared();
        try {
            return *value;
        } catch (...) {
            seen_ = seen_before;
            throw;
        }
    }
    /// The same without a copy: the value stays as it is while the pointer lives.
    std::shared_ptr<T const> get_shared() { return checked().latest(&seen_); }

    /// Waits until a value was set that was not seen, and returns how many were since: all but the last are skipped. 0 when
    /// the watch is closed and the last value was seen. Suspends. Throws `cancelled`, and then has seen nothing.
    std::uint64_t changed() {
        std::uint64_t count = 0;
        changed_until(count, detail::k_never);
        return count;
    }
    /// The same for at most `d`: `success`, `closed` or `timeout`.
    template <class Rep, class Period>
    channel_status changed_for(std::chrono::duration<Rep, Period> const& d) {
        std::uint64_t count = 0;
        return changed_until(count, detail::deadline_after(clock::now(), d));
    }
    /// Was a value set that was not seen? Never waits.
    bool has_changed() const {
        std::lock_guard const guard(checked().lock);
        return state_->version != seen_;
    }

    /// Waits for a value, the present one first, for which `pred(T const&)` holds, and returns it, seen. Suspends. Throws
    /// channel_closed if the watch is closed without one, `cancelled`, and what `pred` and the copy do: the value then was
    /// not seen.
    template <class Predicate>
    T wait(Predicate pred) {
        for (std::uint64_t seen_before = seen_;;) {
            auto const value = get_shared();
            std::uint64_t const seen_now = seen_;
            try {
                if (pred(*value)) {
                    return *value;
                }
            } catch (...) {
                seen_ = seen_before;
                throw;
            }
            seen_before = seen_now;
            if (changed() == 0) {
                throw channel_closed("coir::watch: closed before the value that was waited for");
            }
        }
    }

    // For the library.
    watch_receiver(std::shared_ptr<detail::watch_state<T>> state, std::uint64_t seen) noexcept
        : state_(std::move(state)), seen_(seen) {}

private:
    channel_status changed_until(std::uint64_t& count, clock::time_point deadline) {
        detail::throw_if_cancel_pending();
        for (;;) {
            detail::wait_point wait(deadline);
            wait.is_for(detail::k_waits_for_change, state_.get());
            {
                std::lock_guard const guard(checked().lock);
                if (state_->version != seen_) {
                    count = state_->version - std::exchange(seen_, state_->version);
                    return channel_status::success;
                }
                if (state_->closed) {
                    return channel_status::closed;
                }
                state_->waiters.push_back(wait.node);
            }
            if (wait.suspend() == detail::wake_reason::notified) {
                continue;
            }
            {
                std::lock_guard const guard(checked().lock);
                state_->waiters.erase(wait.node);
            }
            wait.throw_if_cancelled();
            return channel_status::timeout;
        }
    }

    detail::watch_state<T>& checked() const {
        if (state_ == nullptr) {
            throw invalid_state("watch_receiver: moved from");
        }
        return *state_;
    }

    std::shared_ptr<detail::watch_state<T>> state_;
    std::uint64_t seen_;
};

/// One value that many follow. Nobody is kept waiting by a follower that is late: it sees the latest value, and how many
/// it has skipped. All members may be called from tasks and plain threads alike, and do not suspend.
template <class T>
class watch {
    static_assert(std::is_object_v<T>,
                  "coir: items are objects (a reference is passed as a pointer, or as a std::reference_wrapper)");

public:
    using value_type = T;

    explicit watch(T initial)
        : state_(std::make_shared<detail::watch_state<T>>(std::make_shared<T const>(std::move(initial)))) {}
    watch(watch const&) = delete;
    watch& operator=(watch const&) = delete;
    /// As close().
    ~watch() { close(); }

    /// A receiver that has seen the present value.
    watch_receiver<T> subscribe() {
        std::lock_guard const guard(state_->lock);
        ++state_->receivers;
        return watch_receiver<T>(state_, state_->version);
    }

    /// Replaces the value. Throws channel_closed.
    void set(T value) {
        auto next = std::make_shared<T const>(std::move(value));
        detail::wake_list wakes;
        {
            std::lock_guard const guard(state_->lock);
            if (state_->closed) {
                throw channel_closed("coir::watch::set: it is closed");
            }
            next.swap(state_->value);
            ++state_->version;
            state_->waiters.claim_all(wakes);
        }
        wakes.wake_all();
    }
    /// The present value.
    T get() const { return *state_->latest(nullptr); }

    /// No more values: receivers see the last one, and then that there is none.
    void close() noexcept {
        detail::wake_list wakes;
        {
            std::lock_guard const guard(state_->lock);
            state_->closed = true;
            state_->waiters.claim_all(wakes);
        }
        wakes.wake_all();
    }
    bool is_closed() const noexcept {
        std::lock_guard const guard(state_->lock);
        return state_->closed;
    }
    std::size_t receivers() const noexcept {
        std::lock_guard const guard(state_->lock);
        return state_->receivers;
    }

private:
    std::shared_ptr<detail::watch_state<T>> state_;
};

}  // namespace coir
