// SPDX-License-Identifier: BSL-1.0
#pragma once

// Not for users: how parallel_for() and parallel_reduce() cut their indices in halves and run them.

#include <coir/core/base/config.hpp>
#include <coir/core/base/tls.hpp>
#include <coir/core/task/fork_record.hpp>
#include <coir/core/task/shared_state.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <iterator>
#include <new>
#include <type_traits>
#include <utility>
#include <variant>

namespace coir::detail {

template <class T, class... Us>
inline constexpr bool k_is_one_of = (std::is_same_v<T, Us> || ...);
// Of those that std::cmp_less compares.
template <class I>
concept index_number = std::integral<I> && sizeof(I) <= sizeof(std::size_t) &&
                       !k_is_one_of<I, bool, char, wchar_t, char8_t, char16_t, char32_t>;
template <class I>
concept counted = index_number<I> || std::random_access_iterator<I>;

// Without overflow: there may be more numbers from the lowest to the highest of a type than the type can count.
template <counted I>
std::size_t count_from(I first, I last) {
    if constexpr (std::integral<I>) {
        using bits = std::make_unsigned_t<I>;
        return static_cast<bits>(static_cast<bits>(last) - static_cast<bits>(first));
    } else {
        return static_cast<std::size_t>(last - first);
    }
}
template <counted I>
I advanced_by(I first, std::size_t count) {
    if constexpr (std::integral<I>) {
        using bits = std::make_unsigned_t<I>;
        return static_cast<I>(static_cast<bits>(static_cast<bits>(first) + static_cast<bits>(count)));
    } else {
        return first + static_cast<std::iter_difference_t<I>>(count);
    }
}

// What parallel_for() does with indices: one object for all parts of the loop, in its frame.
template <class F>
struct each_index {
    using value_type = std::monostate;

    template <class I>
    value_type run(I first, std::size_t count) const {
        for (; count != 0; ++first, --count) {
            std::invoke(f, I(first));
        }
        return {};
    }
    static value_type join(value_type /*left*/, value_type /*right*/) noexcept { return {}; }

    std::size_t grain;
    F& f;
};

// The same for parallel_reduce().
template <class T, class Map, class Combine>
struct reduction {
    using value_type = T;

    template <class I>
    T run(I first, std::size_t count) const {
        T sum = identity;
        for (; count != 0; ++first, --count) {
            T next = std::invoke(combine, std::move(sum), std::invoke(map, I(first)));
            sum = std::move(next);
        }
        return sum;
    }
    T join(T&& left, T&& right) const { return std::invoke(combine, std::move(left), std::move(right)); }

    std::size_t grain;
    T const& identity;
    Map& map;
    Combine& combine;
};

template <class Loop, class I>
typename Loop::value_type run_halves(Loop const& loop, I first, std::size_t count);

// In a tree most nodes may have next to nothing to do: one piece costs no call of its own.
template <class Loop, class I>
COIR_ALWAYS_INLINE typename Loop::value_type run_loop(Loop const& loop, I first, std::size_t count) {
    return count > loop.grain ? run_halves(loop, first, count) : loop.run(first, count);
}

// The right half of what was a larger part of a loop, in the frame of run_halves(). First it is put off; when its frame has
// come to it, it keeps the value of the left half.
template <class Loop, class I>
class loop_half final : public fork_record {
public:
    using value_type = typename Loop::value_type;

    loop_half(Loop const& loop, I begin, std::size_t size)
        : fork_record(&run_it), first(std::move(begin)), count_(size), loop_(loop) {}

    /// It is on the fork stack, or with whoever has taken it from there.
    bool is_put_off() const noexcept { return count_ != 0; }
    /// It was taken back: how many calls are its frame's to make.
    std::size_t take_count() noexcept { return std::exchange(count_, 0); }
    /// For as long as these are made, the value of the left half.
    void keep_left(value_type&& left) { value_.emplace(std::move(left)); }
    value_type take_left() { return value_.take(); }
    /// Another worker has run it.
    value_type take_right() {
        count_ = 0;
        if (error) [[unlikely]] {
            std::rethrow_exception(error);
        }
        return value_.take();
    }

    I const first;

private:
    static void run_it(fork_record& self) noexcept {
        auto& half = static_cast<loop_half&>(self);
        try {
            half.value_.emplace(run_loop(half.loop_, half.first, half.count_));
        } catch (...) {
            half.error = std::current_exception();
        }
    }

    std::size_t count_;
    Loop const& loop_;
    result_slot<value_type> value_;
};

// The halves of run_halves() that are not done, the newest last.
template <class Half>
class half_stack {
public:
    half_stack() = default;
    half_stack(half_stack const&) = delete;
    half_stack& operator=(half_stack const&) = delete;
    ~half_stack() {
        while (!empty()) {
            pop();
        }
    }

    bool empty() const noexcept { return size_ == 0; }
    bool full() const noexcept { return size_ == k_most; }
    Half& newest() noexcept { return *std::launder(reinterpret_cast<Half*>(room_[size_ - 1])); }
    template <class... Args>
    Half& push(Args&&... args) {
        auto* const made = ::new (static_cast<void*>(room_[size_])) Half(std::forward<Args>(args)...);
        ++size_;
        return *made;
    }
    void pop() noexcept {
        newest().~Half();
        --size_;
    }

private:
    static constexpr std::size_t k_most = 4;  // measured: nqueens
    alignas(Half) unsigned char room_[k_most][sizeof(Half)];
    std::size_t size_ = 0;
};

// More than one piece. Cuts off right halves until one piece is left, and goes on with the newest of them that nobody has
// taken: the recursion of fork_join(left half, right half), but in one frame for up to 16 pieces, as depth costs more than
// instructions do (returns that are nested deeper than processors remember are predicted wrongly).
template <class Loop, class I>
COIR_NOINLINE typename Loop::value_type run_halves(Loop const& loop, I first, std::size_t count) {
    half_stack<loop_half<Loop, I>> halves;
    fork_place* place = nullptr;
    std::exception_ptr error;
    try {
        for (;;) {
            if (count > loop.grain) {
                place = this_fork_place();
            }
            while (count > loop.grain && !halves.full()) {
                std::size_t const left = count / 2;
                auto& half = halves.push(loop, advanced_by(first, left), count - left);
                if (!put_off(place, half)) [[unlikely]] {
                    std::rethrow_exception(half.error);
                }
                count = left;
            }
            auto value = run_loop(loop, first, count);
            for (;;) {
                if (halves.empty()) {
                    return value;
                }
                auto& half = halves.newest();
                if (!half.is_put_off()) {
                    value = loop.join(half.take_left(), std::move(value));
                    halves.pop();
                } else if (take_back(place, half)) {
                    count = half.take_count();
                    first = half.first;
                    if (count > loop.grain) {
                        half.keep_left(std::move(value));
                        break;
                    }
                    halves.pop();
                    value = loop.join(std::move(value), loop.run(first, count));
                } else {
                    value = loop.join(std::move(value), half.take_right());
                    halves.pop();
                }
            }
        }
    } catch (...) {
        error = std::current_exception();
    }
    // Behind the handler, as this may suspend. What has not started does not start.
    for (; !halves.empty(); halves.pop()) {
        if (halves.newest().is_put_off()) {
            take_back(place, halves.newest());
        }
    }
    std::rethrow_exception(error);
}

}  // namespace coir::detail
