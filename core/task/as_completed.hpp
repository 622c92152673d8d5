// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   as_completed(range)   the elements of a range of tasks or futures, in the order in which they end

#include <coir/core/base/lock.hpp>
#include <coir/core/task/awaitable.hpp>
#include <coir/core/task/suspend.hpp>

#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace coir {
namespace detail {

/// States in the order in which they complete. One consumer.
class completion_queue {
public:
    explicit completion_queue(std::span<shared_state_base* const> states);
    completion_queue(completion_queue const&) = delete;
    completion_queue& operator=(completion_queue const&) = delete;
    ~completion_queue();

    /// Waits for the next one and returns its index. Suspends. Throws `cancelled`; nothing is lost then.
    std::size_t next();

private:
    struct node : completion_node {
        completion_queue* owner = nullptr;
        shared_state_base* state = nullptr;
        std::size_t index = 0;
    };

    void on_one(node const& n, wake_list& wakes) noexcept;

    std::vector<node> nodes_;
    spin_mutex lock_;                // guards the rest; taken under the locks of states, never the other way round
    std::vector<std::size_t> done_;  // with room for all
    std::size_t taken_ = 0;
    wait_list consumer_;
};

}  // namespace detail

/// What as_completed() returns: a single-pass range. Move-only; refers to the elements of the range that it was made from.
template <class Handle>
class completed_range {
public:
    class iterator {
    public:
        using value_type = Handle;
        using difference_type = std::ptrdiff_t;
        using iterator_concept = std::input_iterator_tag;

        iterator() = default;
        explicit iterator(completed_range& range) : range_(&range) { ++*this; }
        Handle& operator*() const noexcept { return range_->handles_[index_]; }
        Handle* operator->() const noexcept { return &**this; }
        /// Waits for the next one. Suspends. Throws `cancelled`.
        iterator& operator++() {
            if (range_->left_ == 0) {
                range_ = nullptr;
            } else {
                index_ = range_->queue_->next();
                --range_->left_;
            }
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(iterator const& i, std::default_sentinel_t) noexcept { return i.range_ == nullptr; }

    private:
        completed_range* range_ = nullptr;
        std::size_t index_ = 0;
    };

    /// Waits for the first one. Throws invalid_state if the range was moved from.
    iterator begin() {
        if (queue_ == nullptr) {
            detail::throw_no_state("coir::as_completed: the range was moved from");
        }
        return iterator(*this);
    }
    std::default_sentinel_t end() const noexcept { return {}; }

    // For the library.
    explicit completed_range(std::vector<std::reference_wrapper<Handle>> handles)
        : handles_(std::move(handles)), left_(handles_.size()) {
        std::vector<detail::shared_state_base*> states;
        states.reserve(handles_.size());
        for (Handle& h : handles_) {
            states.push_back(&detail::state_of(h));
        }
        queue_ = std::make_unique<detail::completion_queue>(states);
    }

private:
    std::vector<std::reference_wrapper<Handle>> handles_;
    std::size_t left_;
    std::unique_ptr<detail::completion_queue> queue_;
};

/// A range of references to the elements in the order in which they end; get() of each returns without waiting. Stepping
/// on suspends the calling task (blocks a thread) until the next one ends; cancelling it throws `cancelled` there and leaves
/// the tasks alone. The elements must stay where they are, and refer to what they refer to, as long as the range is used.
/// If the calling task is one of them: invalid_state.
template <class Range>
auto as_completed(Range&& range) {
    if constexpr (detail::check_range_of_handles<Range>::passed) {
        using handle = detail::handle_in_range<Range>;
        std::vector<std::reference_wrapper<handle>> handles;
        for (handle& h : range) {
            handles.push_back(h);  // NOLINT(performance-*): not every range knows its size
        }
        return completed_range<handle>(std::move(handles));
    }
}

}  // namespace coir
