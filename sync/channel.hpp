// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   channel<T>(capacity)   a FIFO of T between tasks and threads; capacity 0: every push meets its pop
//   channel_status         how a bounded push or pop ended

#include <coir/core/base/clock.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/task/suspend.hpp>
#include <coir/sync/detail/item_exchange.hpp>

#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>

namespace coir {

/// Items in the order of pushing, to poppers in the order of their coming. No item is lost or doubled when a pusher or
/// popper is cancelled or timed out at the moment at which it would have its turn. Moving a T must not suspend. All
/// members may be called from tasks and plain threads alike.
template <class T>
class channel {
    static_assert(std::is_object_v<T>,
                  "coir: items are objects (a reference is passed as a pointer, or as a std::reference_wrapper)");

public:
    using value_type = T;

    /// Room for `capacity` items that nobody waits for yet.
    explicit channel(std::size_t capacity = 0) : exchange_(capacity, {}) {}
    channel(channel const&) = delete;
    channel& operator=(channel const&) = delete;

    /// Waits until there is room (capacity 0: until somebody takes it). Suspends. Throws channel_closed, `cancelled`; the
    /// item then is not in the channel, and still in `item`.
    void push(T&& item) { push_or_throw(item); }
    void push(T const& item) {
        T copy = detail::copy_of_item(item);
        push_or_throw(copy);
    }

    /// Never waits. False, with `item` unchanged, if there is no room or the channel is closed.
    bool try_push(T&& item) { return exchange_.try_push(item) == decltype(exchange_)::progress::done; }
    bool try_push(T const& item) {
        T copy = detail::copy_of_item(item);
        return exchange_.try_push(copy) == decltype(exchange_)::progress::done;
    }

    /// As push(), for at most `d`; on `closed` and `timeout` the item is still in `item`. Throws `cancelled`.
    template <class Rep, class Period>
    channel_status push_for(T&& item, std::chrono::duration<Rep, Period> const& d) {
        return exchange_.push_until(item, detail::deadline_after(clock::now(), d));
    }
    template <class Rep, class Period>
    channel_status push_for(T const& item, std::chrono::duration<Rep, Period> const& d) {
        T copy = detail::copy_of_item(item);
        return exchange_.push_until(copy, detail::deadline_after(clock::now(), d));
    }

    /// The next item; empty when the channel is closed and drained. Suspends until there is one. Throws `cancelled`.
    std::optional<T> pop() {
        std::optional<T> item;
        exchange_.pop_until(item, detail::k_never);
        return item;
    }

    /// Never waits. Empty if there is no item.
    std::optional<T> try_pop() {
        std::optional<T> item;
        exchange_.try_pop(item);
        return item;
    }

    /// As pop(), for at most `d`; assigns to `out` on success. Throws `cancelled`; what the assignment throws costs the item.
    template <class Rep, class Period>
    channel_status pop_for(std::chrono::duration<Rep, Period> const& d, T& out) {
        std::optional<T> item;
        channel_status const status = exchange_.pop_until(item, detail::deadline_after(clock::now(), d));
        if (status == channel_status::success) {
            out = std::move(*item);
        }
        return status;
    }

    /// No more pushes: they throw, those that wait too. What is in the channel can still be popped. Does not suspend.
    void close() noexcept { exchange_.close(); }

    bool is_closed() const noexcept { return exchange_.is_closed(); }
    /// How many items are in the channel; those of waiting pushers do not count.
    std::size_t size() const noexcept { return exchange_.size(); }
    std::size_t capacity() const noexcept { return exchange_.capacity(); }

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

    // For the library.
    auto& exchange() noexcept { return exchange_; }
    [[noreturn]] static void throw_closed() { throw channel_closed(); }

private:
    void push_or_throw(T& item) {
        if (exchange_.push_until(item, detail::k_never) == channel_status::closed) {
            throw_closed();
        }
    }

    detail::item_exchange<T, detail::fifo_store<T>> exchange_;
};

}  // namespace coir
