// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   channel<T>(capacity)   a FIFO of T between tasks and threads; capacity 0: every push meets its pop
//   channel_status         how a bounded push or pop ended

#include <coir/core/base/clock.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>

#include <cstddef>
#include <deque>
#include <iterator>
#include <mutex>
#include <optional>
#include <utility>

namespace coir {

enum class channel_status { success, closed, timeout };

/// Items in the order of pushing, to poppers in the order of their coming. No item is lost or doubled when a pusher or
/// popper is cancelled or timed out at the moment at which it would have its turn. Moving a T must not suspend. All
/// members may be called from tasks and plain threads alike.
template <class T>
class channel {
public:
    using value_type = T;

    /// Room for `capacity` items that nobody waits for yet.
    explicit channel(std::size_t capacity = 0) : capacity_(capacity) {}
    channel(channel const&) = delete;
    channel& operator=(channel const&) = delete;

    /// Waits until there is room (capacity 0: until somebody takes it). Suspends. Throws channel_closed, `cancelled`; the
    /// item then is not in the channel, and still in `item`.
    void push(T&& item) { push_or_throw(item); }
    void push(T const& item) {
        T copy(item);
        push_or_throw(copy);
    }

    /// Never waits. False, with `item` unchanged, if there is no room or the channel is closed.
    bool try_push(T&& item) { return try_push_here(item) == progress::done; }
    bool try_push(T const& item) {
        T copy(item);
        return try_push_here(copy) == progress::done;
    }

    /// As push(), for at most `d`; on `closed` and `timeout` the item is still in `item`. Throws `cancelled`.
    template <class Rep, class Period>
    channel_status push_for(T&& item, std::chrono::duration<Rep, Period> const& d) {
        return push_until(item, detail::deadline_after(clock::now(), d));
    }
    template <class Rep, class Period>
    channel_status push_for(T const& item, std::chrono::duration<Rep, Period> const& d) {
        T copy(item);
        return push_until(copy, detail::deadline_after(clock::now(), d));
    }

    /// The next item; empty when the channel is closed and drained. Suspends until there is one. Throws `cancelled`.
    std::optional<T> pop() {
        std::optional<T> item;
        pop_until(item, detail::k_never);
        return item;
    }

    /// Never waits. Empty if there is no item.
    std::optional<T> try_pop() {
        std::optional<T> item;
        try_pop_here(item);
        return item;
    }

    /// As pop(), for at most `d`; assigns to `out` on success. Throws `cancelled`.
    template <class Rep, class Period>
    channel_status pop_for(std::chrono::duration<Rep, Period> const& d, T& out) {
        std::optional<T> item;
        channel_status const status = pop_until(item, detail::deadline_after(clock::now(), d));
        if (status == channel_status::success) {
            out = std::move(*item);
        }
        return status;
    }

    /// No more pushes: they throw, those that wait too. What is in the channel can still be popped. Does not suspend.
    void close() noexcept {
        detail::wake_list wakes;
        {
            std::lock_guard const guard(lock_);
            closed_ = true;
            pushers_.claim_all(wakes);
            poppers_.claim_all(wakes);  // somebody waits there only while there is nothing to pop
        }
        wakes.wake_all();
    }

    bool is_closed() const noexcept {
        std::lock_guard const guard(lock_);
        return closed_;
    }
    /// How many items are in the channel; those of waiting pushers do not count.
    std::size_t size() const noexcept {
        std::lock_guard const guard(lock_);
        return buffer_.size();
    }
    std::size_t capacity() const noexcept { return capacity_; }

    /// Pops until the channel is closed and drained: `for (T item : ch)`. Each step suspends as pop() does.
    class iterator {
    public:
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;
        using reference = T&;
        using pointer = T*;

        iterator() = default;
        explicit iterator(channel& from) : from_(&from) { ++*this; }
        T& operator*() const { return *item_; }
        iterator& operator++() {
            item_ = from_->pop();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(iterator const& i, std::default_sentinel_t) { return !i.item_; }

    private:
        channel* from_ = nullptr;
        mutable std::optional<T> item_;
    };
    iterator begin() { return iterator(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    enum class progress : unsigned char { done, must_wait, closed };

    // Somebody who waits with, or for, an item. The node must come first: the lists hold nothing else.
    struct pusher : detail::wait_point {
        pusher(T& i, clock::time_point deadline) : wait_point(deadline), item(&i) {}
        T* item;
        bool taken = false;
    };
    struct popper : detail::wait_point {
        popper(std::optional<T>& o, clock::time_point deadline) : wait_point(deadline), out(&o) {}
        std::optional<T>* out;
    };
    template <class Who>
    static Who& owner_of(detail::wait_node& node) noexcept {
        return static_cast<Who&>(detail::wait_point::of(node));
    }

    // A popper or pusher that was claimed stays frozen in its wait until it is woken: so an item may move from or to its
    // frame without the lock. It is woken at the end whatever happens; one that finds nothing done tries again.
    struct claimed {
        detail::wait_node* node = nullptr;
        claimed() = default;
        claimed(claimed const&) = delete;
        claimed& operator=(claimed const&) = delete;
        ~claimed() {
            if (node != nullptr) {
                node->who->wake();
            }
        }
    };

    progress try_push_here(T& item) {
        claimed waiting;  // woken after the lock is released
        {
            std::lock_guard const guard(lock_);
            if (closed_) {
                return progress::closed;
            }
            waiting.node = poppers_.take_claimed();
            if (waiting.node == nullptr) {
                if (buffer_.size() >= capacity_) {
                    return progress::must_wait;
                }
                buffer_.push_back(std::move(item));
                return progress::done;
            }
        }
        owner_of<popper>(*waiting.node).out->emplace(std::move(item));
        return progress::done;
    }

    progress try_pop_here(std::optional<T>& out) {
        claimed waiting;
        {
            std::lock_guard const guard(lock_);
            if (!buffer_.empty()) {
                out.emplace(std::move(buffer_.front()));
                buffer_.pop_front();
                waiting.node = pushers_.take_claimed();
                if (waiting.node != nullptr) {
                    // Into the room that has just been made, before others come.
                    pusher& next = owner_of<pusher>(*waiting.node);
                    buffer_.push_back(std::move(*next.item));
                    next.taken = true;
                }
                return progress::done;
            }
            waiting.node = pushers_.take_claimed();
            if (waiting.node == nullptr) {
                return closed_ ? progress::closed : progress::must_wait;
            }
        }
        pusher& next = owner_of<pusher>(*waiting.node);
        out.emplace(std::move(*next.item));
        next.taken = true;
        return progress::done;
    }

    void push_or_throw(T& item) {
        if (push_until(item, detail::k_never) == channel_status::closed) {
            throw channel_closed();
        }
    }

    channel_status push_until(T& item, clock::time_point deadline) {
        detail::throw_if_cancel_pending();
        for (;;) {
            progress const now = try_push_here(item);
            if (now != progress::must_wait) {
                return now == progress::done ? channel_status::success : channel_status::closed;
            }
            pusher self(item, deadline);
            {
                std::lock_guard const guard(lock_);
                if (closed_ || buffer_.size() < capacity_ || !poppers_.empty()) {
                    continue;
                }
                pushers_.push_back(self.node);
            }
            if (self.suspend() == detail::wake_reason::notified) {
                if (self.taken) {
                    return channel_status::success;
                }
                continue;  // closed; or the item could not be moved
            }
            {
                std::lock_guard const guard(lock_);
                pushers_.erase(self.node);
            }
            self.throw_if_cancelled();
            return channel_status::timeout;
        }
    }

    channel_status pop_until(std::optional<T>& out, clock::time_point deadline) {
        detail::throw_if_cancel_pending();
        for (;;) {
            progress const now = try_pop_here(out);
            if (now != progress::must_wait) {
                return now == progress::done ? channel_status::success : channel_status::closed;
            }
            popper self(out, deadline);
            {
                std::lock_guard const guard(lock_);
                if (closed_ || !buffer_.empty() || !pushers_.empty()) {
                    continue;
                }
                poppers_.push_back(self.node);
            }
            if (self.suspend() == detail::wake_reason::notified) {
                if (out) {
                    return channel_status::success;
                }
                continue;  // closed; or the item could not be moved
            }
            {
                std::lock_guard const guard(lock_);
                poppers_.erase(self.node);
            }
            self.throw_if_cancelled();
            return channel_status::timeout;
        }
    }

    std::size_t const capacity_;
    detail::spin_mutex mutable lock_;  // guards the rest
    bool closed_ = false;
    std::deque<T> buffer_;
    // At most one of the two is not empty; pushers wait only while the buffer is full, poppers only while it is empty.
    detail::wait_list pushers_;
    detail::wait_list poppers_;
};

}  // namespace coir
