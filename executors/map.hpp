// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   mapped<R>   what executor::map returns: results in the order of their items

#include <coir/core/task/future.hpp>
#include <coir/executors/executor.hpp>

#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <variant>

namespace coir {

/// The results of executor::map, an input range to be read once, by one reader at a time: `for (auto& r : pool.map(...))`.
/// Reading (`*it`) waits for the result, or throws the job's exception; `++it` goes on to the next either way. void results
/// are std::monostate. Move-only; destroying it cancels what has not been read, and waits for nothing.
template <class R>
class mapped {
public:
    using value_type = std::conditional_t<std::is_void_v<R>, std::monostate, std::remove_cvref_t<R>>;
    using reference = std::conditional_t<std::is_reference_v<R>, R, value_type&>;

    class iterator {
    public:
        using iterator_concept = std::input_iterator_tag;
        using value_type = mapped::value_type;
        using difference_type = std::ptrdiff_t;

        iterator() = default;
        explicit iterator(mapped& from) noexcept : from_(&from) {}

        /// Waits. Suspends the calling task (blocks a thread); cancelling it cancels the job.
        reference operator*() const { return from_->read(); }
        /// Does not wait, unless submitting the next item does.
        iterator& operator++() {
            from_->drop_first();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(iterator const& at, std::default_sentinel_t) noexcept { return at.from_->empty(); }

    private:
        mapped* from_ = nullptr;
    };

    iterator begin() noexcept { return iterator(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
    /// Has everything been read?
    bool empty() const noexcept { return !first_ && pending_.empty(); }

    mapped(mapped&&) noexcept = default;
    mapped& operator=(mapped&& other) noexcept {
        mapped moved(std::move(other));
        std::swap(source_, moved.source_);
        std::swap(pending_, moved.pending_);
        std::swap(first_, moved.first_);
        return *this;
    }
    ~mapped() {
        for (auto const& f : pending_) {
            f.cancel();
        }
    }

    // For the library: the items that have not been submitted yet.
    struct source {
        virtual ~source() = default;
        virtual bool exhausted() = 0;
        virtual future<R> submit_next() = 0;
    };
    mapped(std::unique_ptr<source> items, std::size_t buffer_size) : source_(std::move(items)) {
        while (source_ != nullptr && pending_.size() < buffer_size) {
            submit_one();
        }
    }

private:
    // A void or by-value result is kept until the next step; a reference as a pointer.
    using kept = std::conditional_t<std::is_reference_v<R>, std::add_pointer_t<R>, value_type>;

    reference read() {
        if (!first_) {
            future<R>& next = pending_.front();
            if constexpr (std::is_void_v<R>) {
                next.get();
                first_.emplace();
            } else if constexpr (std::is_reference_v<R>) {
                first_.emplace(std::addressof(next.get()));
            } else {
                first_.emplace(next.get());
            }
            step();
        }
        if constexpr (std::is_reference_v<R>) {
            return static_cast<R>(**first_);
        } else {
            return *first_;
        }
    }

    void drop_first() {
        if (first_) {
            first_.reset();
        } else {
            pending_.front().cancel();
            step();
        }
    }

    void step() {
        pending_.pop_front();
        if (source_ != nullptr) {
            submit_one();
        }
    }

    // An item that could not be submitted fails when its turn comes, and is the last one.
    void submit_one() {
        if (source_->exhausted()) {
            source_.reset();
            return;
        }
        if (pending_.empty() && !first_) {
            pending_.push_back(source_->submit_next());  // nobody has anything to lose: the caller hears of it at once
            return;
        }
        try {
            pending_.push_back(source_->submit_next());
        } catch (...) {
            source_.reset();
            promise<R> failed;
            failed.set_exception(std::current_exception());
            pending_.push_back(failed.get_future());
        }
    }

    std::unique_ptr<source> source_;
    std::deque<future<R>> pending_;
    std::optional<kept> first_;  // the result that was read last
};

namespace detail {

template <class F, class Range, class R>
class map_source final : public mapped<R>::source {
    static constexpr bool k_owns = !std::is_lvalue_reference_v<Range>;
    // What nobody else can see may be moved from.
    static constexpr bool k_moves =
        k_owns && !std::ranges::borrowed_range<Range> && !std::ranges::enable_view<std::remove_cvref_t<Range>>;

public:
    template <class G, class Items>
    map_source(executor& where, G&& function, Items&& items)
        : where_(&where), function_(std::make_shared<F>(std::forward<G>(function))), items_(std::forward<Items>(items)),
          at_(std::ranges::begin(items_)) {}

    bool exhausted() override { return at_ == std::ranges::end(items_); }

    future<R> submit_next() override {
        auto call = [function = function_](auto&& item) -> R {
            return std::invoke(*function, std::forward<decltype(item)>(item));
        };
        if constexpr (k_moves) {
            auto outcome = where_->submit(std::move(call), std::ranges::iter_move(at_));
            ++at_;
            return outcome;
        } else {
            auto outcome = where_->submit(std::move(call), *at_);
            ++at_;
            return outcome;
        }
    }

private:
    executor* where_;
    std::shared_ptr<F> function_;
    Range items_;  // a reference to what was given as an lvalue
    std::ranges::iterator_t<Range> at_;
};

}  // namespace detail

template <class F, class Range>
auto executor::map(F&& f, Range&& range, map_options options) {
    using function = std::decay_t<F>;
    static_assert(std::is_invocable_v<function&, std::ranges::range_value_t<Range>>,
                  "executor::map: the function must be callable with an item of the range");
    using result = std::invoke_result_t<function&, std::ranges::range_value_t<Range>>;
    std::size_t const buffer = options.buffer_size == 0 ? std::numeric_limits<std::size_t>::max() : options.buffer_size;
    return mapped<result>(std::make_unique<detail::map_source<function, Range, result>>(*this, std::forward<F>(f),
                                                                                        std::forward<Range>(range)),
                          buffer);
}

}  // namespace coir
