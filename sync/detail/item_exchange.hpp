// SPDX-License-Identifier: BSL-1.0
#pragma once

// What channels and queues have in common: a store of items, a line of pushers, a line of poppers, one lock.
//
// Invariants
//   1. Of the two lines at most one has a live waiter (one whose wait nobody has ended): pushers wait only while the store
//      is full, poppers only while it is empty. A waiter of select() may stand in both, and does not meet itself.
//   2. An item goes straight to the first popper that waits, and the item of the first pusher that waits into the room
//      that a pop has made: so nobody overtakes anybody.
//   3. Whoever was claimed stays frozen until it is woken, so an item may move from or to its frame without the lock. It
//      is woken whatever happens; one that finds nothing done (closed, or the item could not be moved) tries again.
//   4. After the wake the claimer does not touch the exchange, which the other one may destroy at once.
// A cancelled or timed-out waiter has lost the claim, so nothing has moved: its item is where it was.

#include <coir/core/base/clock.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace coir {

/// How a bounded push or pop ended.
enum class channel_status { success, closed, timeout };

namespace detail {

inline constexpr wait_kind k_waits_to_push{"room in a channel or queue"};
inline constexpr wait_kind k_waits_to_pop{"an item of a channel or queue"};

/// For who keeps his item.
template <class T>
T copy_of_item(T const& item) {
    static_assert(std::is_copy_constructible_v<T>, "coir: the item cannot be copied: pass it with std::move");
    if constexpr (std::is_copy_constructible_v<T>) {
        return T(item);
    }
}

/// Items in the order of their coming.
template <class T>
class fifo_store {
public:
    std::size_t size() const noexcept { return items_.size(); }
    /// Both: on an exception nothing has changed.
    void push(T&& item) { items_.push_back(std::move(item)); }
    void take_next(std::optional<T>& out) {
        out.emplace(std::move(items_.front()));
        items_.pop_front();
    }
    void swap(fifo_store& other) noexcept { items_.swap(other.items_); }  // std::swap() of a std::deque allocates

private:
    std::deque<T> items_;
};

template <class T, class Store>
class item_exchange {
public:
    enum class progress : unsigned char { done, must_wait, closed };

    // Somebody who waits with, or for, an item.
    struct push_node : wait_node {
        push_node(waiter& w, T& i) noexcept : item(&i) { who = &w; }
        T* item;
        bool taken = false;
    };
    struct pop_node : wait_node {
        pop_node(waiter& w, std::optional<T>& o) noexcept : out(&o) { who = &w; }
        std::optional<T>* out;
    };

    item_exchange(std::size_t capacity, Store store) : capacity_(capacity), store_(std::move(store)) {}

    progress try_push(T& item) {
        claimed waiting;  // woken after the lock is released
        {
            std::lock_guard const guard(lock_);
            if (closed_) {
                return progress::closed;
            }
            waiting.node = poppers_.take_claimed();
            if (waiting.node == nullptr) {
                if (store_.size() >= capacity_) {
                    return progress::must_wait;
                }
                store_.push(std::move(item));
                ++pushed_;
                return progress::done;
            }
        }
        static_cast<pop_node&>(*waiting.node).out->emplace(std::move(item));
        count_pushed();
        return progress::done;
    }

    progress try_pop(std::optional<T>& out) {
        claimed waiting;
        {
            wake_list wakes;
            std::unique_lock guard(lock_);
            if (store_.size() != 0) {
                store_.take_next(out);
                waiting.node = admit_pusher(wakes);
                guard.unlock();
                wakes.wake_all();
                return progress::done;
            }
            waiting.node = pushers_.take_claimed();
            if (waiting.node == nullptr) {
                return closed_ ? progress::closed : progress::must_wait;
            }
        }
        auto& next = static_cast<push_node&>(*waiting.node);
        out.emplace(std::move(*next.item));
        next.taken = true;
        count_pushed();
        return progress::done;
    }

    channel_status push_until(T& item, clock::time_point deadline) {
        task_base* const task = throw_if_cancel_pending();
        for (;;) {
            progress const now = try_push(item);
            if (now != progress::must_wait) {
                return now == progress::done ? channel_status::success : channel_status::closed;
            }
            wait_point wait(task, deadline);
            wait.is_for(k_waits_to_push, this);
            push_node self(wait.who(), item);
            if (!enlist(self)) {
                continue;
            }
            if (wait.suspend() == wake_reason::notified) {
                if (self.taken) {
                    return channel_status::success;
                }
                continue;
            }
            withdraw(self);
            wait.throw_if_cancelled();
            return channel_status::timeout;
        }
    }

    channel_status pop_until(std::optional<T>& out, clock::time_point deadline) {
        task_base* const task = throw_if_cancel_pending();
        for (;;) {
            progress const now = try_pop(out);
            if (now != progress::must_wait) {
                return now == progress::done ? channel_status::success : channel_status::closed;
            }
            wait_point wait(task, deadline);
            wait.is_for(k_waits_to_pop, this);
            pop_node self(wait.who(), out);
            if (!enlist(self)) {
                continue;
            }
            if (wait.suspend() == wake_reason::notified) {
                if (out) {
                    return channel_status::success;
                }
                continue;
            }
            withdraw(self);
            wait.throw_if_cancelled();
            return channel_status::timeout;
        }
    }

    /// Stands in line. False, and it does not, if there may be no need to wait: then try again.
    bool enlist(push_node& node) noexcept {
        std::lock_guard const guard(lock_);
        if (closed_ || store_.size() < capacity_ || others_wait(poppers_, *node.who)) {
            return false;
        }
        pushers_.push_back(node);
        return true;
    }
    bool enlist(pop_node& node) noexcept {
        std::lock_guard const guard(lock_);
        if (closed_ || store_.size() != 0 || others_wait(pushers_, *node.who)) {
            return false;
        }
        poppers_.push_back(node);
        return true;
    }
    /// Leaves the line, in which it may not stand any more.
    void withdraw(push_node& node) noexcept {
        std::lock_guard const guard(lock_);
        pushers_.erase(node);
    }
    void withdraw(pop_node& node) noexcept {
        std::lock_guard const guard(lock_);
        poppers_.erase(node);
    }

    /// No more pushes. Those who wait find out by themselves.
    void close() noexcept {
        wake_list wakes;
        {
            std::lock_guard const guard(lock_);
            close_locked(wakes);
        }
        wakes.wake_all();
    }

    bool is_closed() const noexcept {
        std::lock_guard const guard(lock_);
        return closed_;
    }
    std::size_t size() const noexcept {
        std::lock_guard const guard(lock_);
        return store_.size();
    }
    std::size_t capacity() const noexcept { return capacity_; }

protected:
    void close_locked(wake_list& wakes) noexcept {
        closed_ = true;
        pushers_.claim_all(wakes);
        poppers_.claim_all(wakes);
    }

    spin_mutex mutable lock_;  // guards the rest
    std::size_t const capacity_;
    bool closed_ = false;
    std::size_t pushed_ = 0;  // if the store counts: items that came in, before anybody has seen them
    Store store_;

private:
    // Wakes a waiter that was claimed.
    struct claimed {
        wait_node* node = nullptr;
        claimed() = default;
        claimed(claimed const&) = delete;
        claimed& operator=(claimed const&) = delete;
        ~claimed() {
            if (node != nullptr) {
                node->who->wake();
            }
        }
    };

    // A line may hold, besides its live waiters, such as something else has woken. They are taken out on the next try.
    static bool others_wait(wait_list const& line, waiter const& self) noexcept {
        wait_node const* node = line.front();
        while (node != nullptr && node->who == &self) {
            node = node->next;
        }
        return node != nullptr;
    }

    // The popper of a hand-over is not awake yet, and the caller is one itself: so nobody has seen the item.
    void count_pushed() noexcept {
        if constexpr (requires { Store::k_counts; }) {
            std::lock_guard const guard(lock_);
            ++pushed_;
        }
    }

    // Into the room that has just been made, before others come. Returns the one admitted, who may destroy the exchange as
    // soon as he is woken: so not under the lock.
    wait_node* admit_pusher(wake_list& wakes) noexcept {
        while (wait_node* const node = pushers_.take_claimed()) {
            auto& next = static_cast<push_node&>(*node);
            try {
                store_.push(std::move(*next.item));
                next.taken = true;
                ++pushed_;
                return node;
            } catch (...) {
                // The pusher tries again by itself, and what goes wrong then is its own. The room is the next one's.
                wakes.add_claimed(*node->who);
            }
        }
        return nullptr;
    }

    wait_list pushers_;
    wait_list poppers_;
};

}  // namespace detail
}  // namespace coir
