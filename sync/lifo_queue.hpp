// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   lifo_queue<T>(max)   asyncio's LifoQueue: last in, first out

#include <coir/sync/detail/item_queue.hpp>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace coir {

namespace detail {

template <class T>
class lifo_store {
public:
    std::size_t size() const noexcept { return items_.size(); }
    void push(T&& item) { items_.emplace_back(std::move(item)); }
    void take_next(std::optional<T>& out) {
        out.emplace(std::move(*items_.back()));
        items_.pop_back();
    }
    void swap(lifo_store& other) noexcept { items_.swap(other.items_); }

private:
    std::vector<settled_item<T>> items_;
};

}  // namespace detail

/// A queue that hands out the youngest item first; getters and putters still have their turns in the order of their
/// coming. See queue for the rest.
template <class T>
class lifo_queue : public detail::item_queue<T, detail::lifo_store<T>> {
public:
    using detail::item_queue<T, detail::lifo_store<T>>::item_queue;
};

}  // namespace coir
