// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   mapped<R>   what map() returns: results in the order of their items

#include <coir/core/task/future.hpp>
#include <coir/executors/executor.hpp>

#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <variant>

namespace coir {

/// The results of an executor's map(), an input range to be read once, by one reader at a time: `for (auto& r : pool.map(...))`.
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
    bool empty() const noexcept { return !first_ && pending_.empty() && source_ == nullptr; }

    mapped(mapped&&) noexcept = default;
    mapped& operator=(mapped&& other) noexcept {
        mapped moved(std::move(other));
        std::swap(source_, moved.source_);
        std::swap(buffer_size_, moved.buffer_size_);
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
        /// The item at hand.
        virtual future<R> submit_next() = 0;
        /// Once it has been submitted.
        virtual void go_on() = 0;
        /// Is the item still there when it could not be submitted?
        virtual bool may_be_repeated() const noexcept = 0;
    };
    mapped(std::unique_ptr<source> items, std::size_t buffer_size) : mapped(buffer_size) {
        source_ = std::move(items);
        drop_exhausted_source();
        fill();
    }

private:
    // A void or by-value result is kept until the next step; a reference as a pointer.
    using kept = std::conditional_t<std::is_reference_v<R>, std::add_pointer_t<R>, value_type>;

    explicit mapped(std::size_t buffer_size) noexcept : buffer_size_(buffer_size) {}

    reference read() {
        if (!first_) {
            fill();
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
            fill();
            pending_.front().cancel();
            step();
        }
    }

    void step() {
        pending_.pop_front();
        fill();
    }

    void fill() {
        while (source_ != nullptr && (buffer_size_ == 0 || pending_.size() < buffer_size_)) {
            submit_one();
        }
    }

    // An item that could not be submitted fails when its turn comes, and is the last one. Not if it is the reader who was
    // cancelled while he waited for room in the queue: he hears of it at once, and may go on, unless the item has been moved
    // away.
    void submit_one() {
        if (pending_.empty() && !first_) {
            pending_.push_back(source_->submit_next());  // nobody has anything to lose: the caller hears of it at once
        } else {
            try {
                pending_.push_back(source_->submit_next());
            } catch (cancelled const&) {
                if (source_->may_be_repeated()) {
                    throw;
                }
                fail_next();
                return;
            } catch (...) {
                fail_next();
                return;
            }
        }
        go_on();
    }

    // What the range throws on its way to the next item is that one's: the results before it are there to be read.
    void go_on() {
        try {
            source_->go_on();
            drop_exhausted_source();
        } catch (cancelled const&) {  // the reader, in a range that waits
            fail_next();
            throw;
        } catch (...) {
            fail_next();
        }
    }

    void fail_next() {
        source_.reset();
        promise<R> failed;
        failed.set_exception(std::current_exception());
        pending_.push_back(failed.get_future());
    }

    void drop_exhausted_source() {
        if (source_ != nullptr && source_->exhausted()) {
            source_.reset();
        }
    }

    std::unique_ptr<source> source_;  // null: there are no more items
    std::size_t buffer_size_;
    std::deque<future<R>> pending_;
    std::optional<kept> first_;  // the result that was read last
};

namespace detail {

template <class F, class Item>
inline constexpr bool map_gives_stop_token = wants_stop_token<F&, Item>;

template <class F, class Item, bool = map_gives_stop_token<F, Item>>
struct map_result : std::invoke_result<F&, Item> {};
template <class F, class Item>
struct map_result<F, Item, true> : std::invoke_result<F&, std::stop_token, Item> {};

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
    bool may_be_repeated() const noexcept override { return !k_moves; }

    future<R> submit_next() override {
        using item = std::decay_t<std::ranges::range_value_t<Range>>;  // what the iterator gives may only refer to it
        if constexpr (map_gives_stop_token<F, std::ranges::range_value_t<Range>>) {
            return submit_call<item>([function = function_](std::stop_token stop, item&& value) -> R {
                return std::invoke(*function, std::move(stop), std::move(value));
            });
        } else {
            return submit_call<item>(
                [function = function_](item&& value) -> R { return std::invoke(*function, std::move(value)); });
        }
    }
    void go_on() override { ++at_; }

private:
    template <class Item, class Call>
    future<R> submit_call(Call call) {
        if constexpr (k_moves) {
            return where_->submit(std::move(call), static_cast<Item>(std::ranges::iter_move(at_)));
        } else {
            return where_->submit(std::move(call), static_cast<Item>(*at_));
        }
    }

    executor* where_;
    std::shared_ptr<F> function_;
    Range items_;  // a reference to what was given as an lvalue
    std::ranges::iterator_t<Range> at_;
};

}  // namespace detail

template <class F, class Range>
auto executor::map(F&& f, Range&& range, map_options options) {
    using function = std::decay_t<F>;
    static_assert(std::ranges::input_range<Range>, "executor::map: the second argument must be a range");
    if constexpr (std::ranges::input_range<Range>) {
        using item = std::ranges::range_value_t<Range>;
        constexpr bool callable = detail::map_gives_stop_token<function, item> || std::is_invocable_v<function&, item>;
        static_assert(callable, "executor::map: the function must be callable with an item of the range");
        if constexpr (callable) {
            using result = typename detail::map_result<function, item>::type;
            static_assert(
                !std::is_rvalue_reference_v<result>,
                "executor::map: the function returns an rvalue reference, as a pointer to a data member does, "
                "which nobody could keep: return a value");
            if constexpr (!std::is_rvalue_reference_v<result>) {
                return mapped<result>(std::make_unique<detail::map_source<function, Range, result>>(
                                          *this, std::forward<F>(f), std::forward<Range>(range)),
                                      options.buffer_size);
            }
        }
    }
}

}  // namespace coir
