// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   broadcast<T>(capacity)   every value to every receiver that has subscribed; tokio's sync::broadcast
//   broadcast_receiver<T>    one subscription
//
//     broadcast<int> news(16);
//     auto reader = news.subscribe();
//     news.push(1);
//     reader.pop();               // 1

#include <coir/core/base/clock.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/sync/channel.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace coir {

namespace detail {

inline constexpr wait_kind k_waits_for_broadcast{"an item of a broadcast"};

// The last `capacity` values, numbered from 0. A receiver is a number: that of the value which it takes next. Values are kept
// by pointer, so that no T is copied or destroyed under the lock.
template <class T>
struct broadcast_state {
    using value = std::shared_ptr<T const>;

    explicit broadcast_state(std::size_t capacity) : ring(capacity) {}

    spin_mutex lock;  // guards the rest
    std::vector<value> ring;
    std::uint64_t next = 0;  // the number of the value that will be pushed next
    std::size_t receivers = 0;
    bool closed = false;
    wait_list waiters;

    std::uint64_t oldest() const noexcept { return next < ring.size() ? 0 : next - ring.size(); }

    void close() noexcept {
        wake_list wakes;
        {
            std::lock_guard const guard(lock);
            closed = true;
            waiters.claim_all(wakes);
        }
        wakes.wake_all();
    }
};

}  // namespace detail

/// Receives every value that is pushed after it subscribed. Belongs to one task or thread at a time. Move-only; may outlive
/// the broadcast.
template <class T>
class broadcast_receiver {
public:
    broadcast_receiver(broadcast_receiver&& other) noexcept = default;
    broadcast_receiver& operator=(broadcast_receiver&& other) noexcept {
        broadcast_receiver taken(std::move(other));
        std::swap(state_, taken.state_);
        std::swap(next_, taken.next_);
        return *this;
    }
    ~broadcast_receiver() {
        if (state_) {
            std::lock_guard const guard(state_->lock);
            --state_->receivers;
        }
    }

    /// The next value; empty when the broadcast is closed and everything was received. Suspends until there is one. Throws
    /// receiver_lagged if values were missed, and goes on with the oldest that is left; `cancelled`, and then has taken
    /// nothing.
    std::optional<T> pop() {
        std::optional<T> out;
        pop_until(out, detail::k_never);
        return out;
    }
    /// Never waits. Empty if there is no value. Throws receiver_lagged.
    std::optional<T> try_pop() {
        std::optional<T> out;
        take(out, nullptr);
        return out;
    }
    /// As pop(), for at most `d`; assigns to `out` on success: what that throws costs this receiver the value.
    template <class Rep, class Period>
    channel_status pop_for(std::chrono::duration<Rep, Period> const& d, T& out) {
        std::optional<T> value;
        channel_status const status = pop_until(value, detail::deadline_after(clock::now(), d));
        if (status == channel_status::success) {
            out = std::move(*value);
        }
        return status;
    }

    /// How many values wait to be received, with those that are missed already.
    std::uint64_t size() const {
        std::lock_guard const guard(checked().lock);
        return state_->next - next_;
    }

    // For the library.
    broadcast_receiver(std::shared_ptr<detail::broadcast_state<T>> state, std::uint64_t next) noexcept
        : state_(std::move(state)), next_(next) {}

private:
    enum class progress : unsigned char { done, must_wait, closed };

    // With a node: stands in line if there is nothing to take.
    progress take(std::optional<T>& out, detail::wait_node* node) {
        typename detail::broadcast_state<T>::value value;
        std::uint64_t missed = 0;
        {
            std::lock_guard const guard(checked().lock);
            if (next_ == state_->next) {
                if (state_->closed) {
                    return progress::closed;
                }
                if (node != nullptr) {
                    state_->waiters.push_back(*node);
                }
                return progress::must_wait;
            }
            std::uint64_t const oldest = state_->oldest();
            if (next_ < oldest) {
                missed = oldest - next_;
            } else {
                value = state_->ring[next_ % state_->ring.size()];
            }
        }
        if (missed != 0) {
            receiver_lagged const told(missed);  // whose text may find no memory: then next time
            next_ += missed;
            throw receiver_lagged(told);
        }
        out.emplace(*value);
        ++next_;
        return progress::done;
    }

    channel_status pop_until(std::optional<T>& out, clock::time_point deadline) {
        detail::throw_if_cancel_pending();
        for (;;) {
            progress now = take(out, nullptr);
            if (now == progress::must_wait) {
                detail::wait_point wait(deadline);
                wait.is_for(detail::k_waits_for_broadcast, state_.get());
                now = take(out, &wait.node);
                if (now == progress::must_wait) {
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
            return now == progress::done ? channel_status::success : channel_status::closed;
        }
    }

    detail::broadcast_state<T>& checked() const {
        if (state_ == nullptr) {
            throw invalid_state("broadcast_receiver: moved from");
        }
        return *state_;
    }

    std::shared_ptr<detail::broadcast_state<T>> state_;
    std::uint64_t next_;
};

/// Hands every value to every receiver. push() never waits: a receiver that is more than `capacity` values behind misses
/// the oldest, and is told so. All members may be called from tasks and plain threads alike, and do not suspend.
template <class T>
class broadcast {
    static_assert(std::is_object_v<T>,
                  "coir: items are objects (a reference is passed as a pointer, or as a std::reference_wrapper)");

public:
    using value_type = T;

    /// Keeps the last `capacity` values. Throws std::invalid_argument for none.
    explicit broadcast(std::size_t capacity) : state_(make_state(capacity)) {}
    broadcast(broadcast const&) = delete;
    broadcast& operator=(broadcast const&) = delete;
    /// As close().
    ~broadcast() { close(); }

    /// A receiver of all values that are pushed from now on. After close(): of none.
    broadcast_receiver<T> subscribe() {
        std::lock_guard const guard(state_->lock);
        ++state_->receivers;
        return broadcast_receiver<T>(state_, state_->next);
    }

    /// Returns how many receivers there are; with none the value is gone. Throws channel_closed.
    std::size_t push(T value) {
        auto kept = std::make_shared<T const>(std::move(value));
        detail::wake_list wakes;
        std::size_t receivers = 0;
        {
            std::lock_guard const guard(state_->lock);
            if (state_->closed) {
                throw channel_closed("coir::broadcast::push: it is closed");
            }
            receivers = state_->receivers;
            if (receivers != 0) {
                kept.swap(state_->ring[state_->next % state_->ring.size()]);
                ++state_->next;
                state_->waiters.claim_all(wakes);
            }
        }
        wakes.wake_all();
        return receivers;
    }

    /// No more values: receivers get what is left, and then nothing.
    void close() noexcept { state_->close(); }
    bool is_closed() const noexcept {
        std::lock_guard const guard(state_->lock);
        return state_->closed;
    }
    std::size_t receivers() const noexcept {
        std::lock_guard const guard(state_->lock);
        return state_->receivers;
    }
    std::size_t capacity() const noexcept { return state_->ring.size(); }

private:
    static std::shared_ptr<detail::broadcast_state<T>> make_state(std::size_t capacity) {
        if (capacity == 0) {
            throw std::invalid_argument("coir::broadcast: the capacity must not be 0");
        }
        return std::make_shared<detail::broadcast_state<T>>(capacity);
    }

    std::shared_ptr<detail::broadcast_state<T>> state_;
};

}  // namespace coir
