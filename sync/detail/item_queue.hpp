// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the three queues have in common: asyncio's queue over an item_exchange, whose store decides who is next.

#include <coir/core/base/clock.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/base/lock.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/sync/detail/item_exchange.hpp>

#include <cstddef>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace coir::detail {

inline constexpr wait_kind k_waits_to_join{"the last item of a queue to be done"};

/// An item that its store moves about: that cannot throw. Behind a pointer, where moving a T could.
template <class T>
class settled_item {
public:
    explicit settled_item(T&& item) : kept_(keep(std::move(item))) {}
    T& operator*() noexcept { return of(*this); }
    T const& operator*() const noexcept { return of(*this); }

private:
    static constexpr bool k_in_place = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>;

    static auto keep(T&& item) {
        if constexpr (k_in_place) {
            return T(std::move(item));
        } else {
            return std::make_unique<T>(std::move(item));
        }
    }
    template <class Self>
    static auto& of(Self& self) noexcept {
        if constexpr (k_in_place) {
            return self.kept_;
        } else {
            return *self.kept_;
        }
    }

    std::conditional_t<k_in_place, T, std::unique_ptr<T>> kept_;
};

/// A store whose items are counted as they come in.
template <class Base>
class counting : public Base {
public:
    using Base::Base;
    static constexpr bool k_counts = true;
};

template <class T, class Store>
class item_queue_exchange : public item_exchange<T, counting<Store>> {
    using base = item_exchange<T, counting<Store>>;

public:
    using base::base;

    void task_done() {
        wake_list wakes;
        {
            std::lock_guard const guard(this->lock_);
            if (done_ == this->pushed_) {
                throw std::logic_error("coir::queue::task_done: called more often than items were put");
            }
            ++done_;
            wake_joiners(wakes);
        }
        wakes.wake_all();
    }

    // As event::wait(): whoever returns has been through the lock after the one who let it pass.
    bool join_until(clock::time_point deadline) {
        throw_if_cancel_pending();
        wait_point wait(deadline);
        wait.is_for(k_waits_to_join, this);
        {
            std::lock_guard const guard(this->lock_);
            if (done_ == this->pushed_) {
                return true;
            }
            joiners_.push_back(wait.node);
        }
        wake_reason const reason = wait.suspend();
        {
            std::lock_guard const guard(this->lock_);
            joiners_.erase(wait.node);
        }
        wait.throw_if_cancelled();
        return reason == wake_reason::notified;
    }

    void shut_down(bool immediate) {
        std::optional<Store> dropped;  // made before anything has happened; its items end after the lock is released
        if (immediate) {
            dropped.emplace();
        }
        wake_list wakes;
        {
            std::lock_guard const guard(this->lock_);
            this->close_locked(wakes);
            if (immediate) {
                done_ += this->store_.size();
                dropped->swap(this->store_);
                wake_joiners(wakes);
            }
        }
        wakes.wake_all();
    }

private:
    void wake_joiners(wake_list& wakes) noexcept {
        if (done_ == this->pushed_) {
            joiners_.claim_all(wakes);
        }
    }

    std::size_t done_ = 0;  // with those that were thrown away
    wait_list joiners_;
};

template <class T, class Store>
class item_queue {
    static_assert(std::is_object_v<T>,
                  "coir: items are objects (a reference is passed as a pointer, or as a std::reference_wrapper)");

public:
    using value_type = T;

    /// Room for `max` items; 0: without limit.
    explicit item_queue(std::size_t max = 0)
        : exchange_(max == 0 ? std::numeric_limits<std::size_t>::max() : max, {}), max_(max) {}
    item_queue(item_queue const&) = delete;
    item_queue& operator=(item_queue const&) = delete;

    /// Waits until there is room. Suspends. Throws queue_shut_down, `cancelled`; the item then is not in the queue, and
    /// still in `item`.
    void put(T&& item) { put_until(item, k_never); }
    void put(T const& item) {
        T copy = copy_of_item(item);
        put_until(copy, k_never);
    }
    /// Never waits. False, with `item` unchanged, if the queue is full. Throws queue_shut_down.
    bool try_put(T&& item) { return try_put_here(item); }
    bool try_put(T const& item) {
        T copy = copy_of_item(item);
        return try_put_here(copy);
    }
    /// As put(), for at most `d`. False, with `item` unchanged, if there was no room by then.
    template <class Rep, class Period>
    bool try_put_for(T&& item, std::chrono::duration<Rep, Period> const& d) {
        return put_until(item, deadline_after(clock::now(), d));
    }

    /// The next item. Suspends until there is one. Throws queue_shut_down when the queue is shut down and empty, `cancelled`.
    /// If the move into the result throws, the item is lost; not so with try_get() and try_get_for().
    T get() {
        std::optional<T> item;
        get_until(item, k_never);
        return std::move(*item);
    }
    /// Never waits. Empty if there is no item. Throws queue_shut_down as get().
    std::optional<T> try_get() {
        std::optional<T> item;
        if (exchange_.try_pop(item) == progress::closed) {
            throw_closed();
        }
        return item;
    }
    /// As get(), for at most `d`. Empty if there was none by then.
    template <class Rep, class Period>
    std::optional<T> try_get_for(std::chrono::duration<Rep, Period> const& d) {
        std::optional<T> item;
        get_until(item, deadline_after(clock::now(), d));
        return item;
    }

    /// How many items there are, those of waiting putters not counted; is there none, no room for one more?
    std::size_t size() const noexcept { return exchange_.size(); }
    bool empty() const noexcept { return size() == 0; }
    bool full() const noexcept { return max_ != 0 && size() >= max_; }
    std::size_t max_size() const noexcept { return max_; }

    /// Says that the work on an item that was got is done. Throws std::logic_error if called more often than items were put.
    /// Does not suspend.
    void task_done() { exchange_.task_done(); }
    /// Waits until task_done() was called for every item that was put. Suspends. Throws `cancelled`.
    void join() { exchange_.join_until(k_never); }
    /// The same for at most `d`. False if something was not done by then.
    template <class Rep, class Period>
    bool join_for(std::chrono::duration<Rep, Period> const& d) {
        return exchange_.join_until(deadline_after(clock::now(), d));
    }

    /// No more items: put() throws queue_shut_down, also for those who wait in it; get() does so when the queue is empty.
    /// `immediate` throws away what is in the queue, and counts it as done. Does not suspend.
    void shutdown(bool immediate = false) { exchange_.shut_down(immediate); }
    bool is_shut_down() const noexcept { return exchange_.is_closed(); }

    // For the library.
    auto& exchange() noexcept { return exchange_; }
    [[noreturn]] static void throw_closed() { throw queue_shut_down(); }

private:
    using exchange_type = item_queue_exchange<T, Store>;
    using progress = typename exchange_type::progress;

    bool try_put_here(T& item) {
        progress const now = exchange_.try_push(item);
        if (now == progress::closed) {
            throw_closed();
        }
        return now == progress::done;
    }
    bool put_until(T& item, clock::time_point deadline) {
        channel_status const status = exchange_.push_until(item, deadline);
        if (status == channel_status::closed) {
            throw_closed();
        }
        return status == channel_status::success;
    }
    void get_until(std::optional<T>& item, clock::time_point deadline) {
        if (exchange_.pop_until(item, deadline) == channel_status::closed) {
            throw_closed();
        }
    }

    exchange_type exchange_;
    std::size_t const max_;
};

}  // namespace coir::detail
