// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   priority_queue<T>(max)   asyncio's PriorityQueue: the smallest first

#include <coir/sync/detail/item_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace coir {

namespace detail {

// A binary heap of (item, number of its coming). std::push_heap is of no use here: a comparison that throws would cost it an
// item. So each step first compares its way to where the item will lie, and then moves, which cannot throw within the heap.
template <class T, class Compare>
class heap_store {
public:
    std::size_t size() const noexcept { return items_.size(); }

    void push(T&& item) {
        std::size_t place = items_.size();
        while (place != 0 && before_(item, *items_[parent_of(place)].item)) {  // equals stay behind
            place = parent_of(place);
        }
        items_.emplace_back(std::move(item), next_number_);
        ++next_number_;
        for (std::size_t at = items_.size() - 1; at != place; at = parent_of(at)) {
            std::swap(items_[at], items_[parent_of(at)]);
        }
    }

    void take_next(std::optional<T>& out) {
        std::size_t const last = items_.size() - 1;
        std::size_t const place = place_of_last(last);
        out.emplace(std::move(*items_.front().item));
        // The last one to `place`, and everything on the way there one step up.
        entry moved = std::move(items_[last]);
        for (std::size_t at = place; last != 0; at = parent_of(at)) {
            std::swap(moved, items_[at]);
            if (at == 0) {
                break;
            }
        }
        items_.pop_back();
    }
    void swap(heap_store& other) noexcept { items_.swap(other.items_); }  // numbers go on

private:
    struct entry {
        entry(T&& i, std::uint64_t n) : item(std::move(i)), number(n) {}
        settled_item<T> item;
        std::uint64_t number;
    };

    static std::size_t parent_of(std::size_t at) noexcept { return (at - 1) / 2; }

    bool goes_before(entry const& a, entry const& b) const {
        if (before_(*a.item, *b.item)) {
            return true;
        }
        return a.number < b.number && !before_(*b.item, *a.item);
    }

    // Where the last item would lie if the first one were gone.
    std::size_t place_of_last(std::size_t last) const {
        std::size_t place = 0;
        for (;;) {
            std::size_t child = 2 * place + 1;
            if (child >= last) {
                return place;
            }
            if (child + 1 < last && goes_before(items_[child + 1], items_[child])) {
                ++child;
            }
            if (!goes_before(items_[child], items_[last])) {
                return place;
            }
            place = child;
        }
    }

    std::vector<entry> items_;
    std::uint64_t next_number_ = 0;
    [[no_unique_address]] Compare before_;
};

}  // namespace detail

/// A queue that hands out the smallest item first, equal ones in the order of putting; getters and putters have their turns
/// in the order of their coming. Comparing and moving a T must not suspend; one that throws leaves the queue as it was (but see
/// get()). See queue for the rest.
template <class T, class Compare = std::less<T>>
class priority_queue : public detail::item_queue<T, detail::heap_store<T, Compare>> {
public:
    using detail::item_queue<T, detail::heap_store<T, Compare>>::item_queue;
};

}  // namespace coir
