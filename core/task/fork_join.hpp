// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   fork_join(f, g, ...)                                         calls them in parallel      -> std::tuple
//   parallel_for(first, last, grain, f)                          f(i) for each i, the same way
//   parallel_reduce(first, last, grain, identity, map, combine)  the sum of map(i), as combine understands it

#include <coir/core/base/errors.hpp>
#include <coir/core/base/tls.hpp>
#include <coir/core/task/fork_record.hpp>
#include <coir/core/task/gather.hpp>
#include <coir/core/task/loop_halves.hpp>
#include <coir/core/task/shared_state.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>

namespace coir {
namespace detail {

// One of the calls, in the frame of fork_join().
template <class F>
class fork_child final : public fork_record {
public:
    using value_type = std::remove_cv_t<std::invoke_result_t<F>>;
    static_assert(!std::is_rvalue_reference_v<value_type>, "a call returns a value or an lvalue reference");

    explicit fork_child(F&& function) noexcept : fork_record(&run_it), function_(std::forward<F>(function)) {}

    void run() noexcept {
        try {
            if constexpr (std::is_void_v<value_type>) {
                std::invoke(std::forward<F>(function_));
                result_.emplace();
            } else {
                result_.emplace(std::invoke(std::forward<F>(function_)));
            }
        } catch (...) {
            error = std::current_exception();
        }
    }

    gather_value_t<value_type> take() {
        if constexpr (std::is_void_v<value_type>) {
            return {};
        } else {
            return result_.take();
        }
    }

private:
    static void run_it(fork_record& self) noexcept { static_cast<fork_child&>(self).run(); }

    F&& function_;
    result_slot<value_type> result_;
};

// Throws no_running_runtime where nothing could be put off.
inline void check_in_task() {
    if (this_fork_place() == nullptr) {
        throw no_running_runtime();
    }
}

template <std::size_t... I, class First, class... Rest>
auto fork_all(std::index_sequence<I...>, First&& f, Rest&&... g)
    -> std::tuple<gather_value_t<std::invoke_result_t<First>>, gather_value_t<std::invoke_result_t<Rest>>...> {
    fork_child<First> first(std::forward<First>(f));
    [[maybe_unused]] std::tuple<fork_child<Rest>...> rest(std::forward<Rest>(g)...);
    fork_place* const place = this_fork_place();
    // The last one first, so that they are taken back in their order. A failure is in the record then.
    bool failed = false;
    ((failed |= !put_off(place, std::get<sizeof...(I) - 1 - I>(rest))), ...);
    auto run_here = [&failed](auto& child) noexcept {
        if (!failed) {
            child.run();
            failed = child.error != nullptr;
        }
    };
    run_here(first);
    [[maybe_unused]] auto const join = [&](auto& child) noexcept {
        if (take_back(place, child)) {
            run_here(child);
        } else if (child.error) [[unlikely]] {
            failed = true;
        }
    };
    (join(std::get<I>(rest)), ...);
    if (failed) [[unlikely]] {
        rethrow_first({&first, &std::get<I>(rest)...});
    }
    // Braces: taken from left to right.
    return std::tuple<gather_value_t<std::invoke_result_t<First>>, gather_value_t<std::invoke_result_t<Rest>>...>{
        first.take(), std::get<I>(rest).take()...};
}

}  // namespace detail

/// Calls all of them and returns their results in argument order (std::monostate for void). For work that computes: the
/// calls are put on the caller's stack, and run there one after another, in their order, but for those that an idle
/// worker takes meanwhile. A call that suspends lets the others run as tasks of their own. On a strand, all run one after
/// another.
///
/// Nothing is allocated, and no stack is used, but for calls that others take and results of more than 256 bytes. Where a call runs as a task of its own,
/// current_task() is that one, a child of the caller, with a stack of the same size; its context variables are the caller's,
/// and what is set in them is not seen by the caller. So let the calls leave them as they are. A generator's body may yield
/// from the first call only.
///
/// Returns when all have ended; of exceptions, that of the first call in argument order is thrown then, and calls that
/// had not started do not start. Suspends only if another worker has a call that has not ended; that is no cancellation
/// point: cancelling the caller reaches the call that runs on its stack, and those that others have run to their end.
/// Throws no_running_runtime outside of a task, std::bad_alloc.
/// Source: lazy task creation by a private stack of calls, as in Cilk-5 (Frigo, Leiserson, Randall 1998).
template <class F, class... Gs>
auto fork_join(F&& f, Gs&&... others) {
    constexpr bool callable = (std::invocable<F> && ... && std::invocable<Gs>);
    static_assert(callable, "coir::fork_join: each argument must be callable without arguments");
    if constexpr (sizeof...(Gs) == 0) {
        detail::check_in_task();
    }
    if constexpr (callable) {
        return detail::fork_all(std::index_sequence_for<Gs...>(), std::forward<F>(f), std::forward<Gs>(others)...);
    }
}

namespace detail {

/// Says in one line what is wrong with the ends of a loop.
template <class First, class Last>
struct check_ends {
    static constexpr bool passed =
        (index_number<First> && index_number<Last>) || (counted<First> && std::same_as<First, Last>);
    static_assert(passed,
                  "coir: the ends of a parallel loop must be two integers, or two random-access iterators of one type");
};

// The two ends of a range of indices of different types, or the two iterators. The same value twice if it is empty.
template <class First, class Last>
auto as_range(First first, Last last) {
    if constexpr (std::integral<First>) {
        using index = std::common_type_t<First, Last>;
        if (std::cmp_less(first, last)) {
            if (!std::in_range<index>(first) || !std::in_range<index>(last)) {
                throw std::invalid_argument("the range has no type that holds both of its ends");
            }
            return std::pair(static_cast<index>(first), static_cast<index>(last));
        }
        return std::pair(index{}, index{});
    } else {
        return first < last ? std::pair(first, last) : std::pair(first, first);
    }
}

inline void check_loop(std::size_t grain) {
    check_in_task();
    if (grain == 0) {
        throw std::invalid_argument("the grain of a parallel loop must be at least 1");
    }
}

template <class T, class I, class Map, class Combine>
inline constexpr bool k_can_reduce = false;
template <class T, class I, class Map, class Combine>
    requires std::is_invocable_v<Map, I>
inline constexpr bool k_can_reduce<T, I, Map, Combine> =
    std::is_invocable_r_v<T, Combine, T, std::invoke_result_t<Map, I>> && std::is_invocable_r_v<T, Combine, T, T>;

}  // namespace detail

/// Calls f(i) for each i from `first` up to, not including, `last`: two integers, or two random-access iterators (f gets the
/// iterator). In parallel, by halves, down to pieces of at most `grain` calls, which run one after another. `f` is shared by
/// all of them. As fork_join() for all else. Throws std::invalid_argument for a grain of 0.
template <class First, class Last, class F>
void parallel_for(First first, Last last, std::size_t grain, F&& f) {
    if constexpr (detail::check_ends<First, Last>::passed) {
        detail::check_loop(grain);
        auto [begin, end] = detail::as_range(first, last);
        constexpr bool callable = std::is_invocable_v<F&, decltype(begin)>;
        static_assert(callable, "coir::parallel_for: f must be callable as f(i), with an index or an iterator");
        if constexpr (callable) {
            detail::run_loop(detail::each_index<std::remove_reference_t<F>>{grain, f}, begin,
                             detail::count_from(begin, end));
        }
    }
}

/// combine(... combine(identity, map(first)) ..., map(last - 1)), in parallel as parallel_for(): `combine` must be
/// associative, with `identity` as its neutral element. The order of the operands is kept, and what is combined with what
/// follows from the range and the grain alone, so that sums of floating-point numbers are the same in every run. For an empty
/// range `identity`.
template <class First, class Last, class T, class Map, class Combine>
std::decay_t<T> parallel_reduce(First first, Last last, std::size_t grain, T&& identity, Map&& map, Combine&& combine) {
    std::decay_t<T> const neutral(std::forward<T>(identity));
    if constexpr (detail::check_ends<First, Last>::passed) {
        detail::check_loop(grain);
        auto [begin, end] = detail::as_range(first, last);
        constexpr bool callable = detail::k_can_reduce<std::decay_t<T>, decltype(begin), Map&, Combine&>;
        static_assert(
            callable,
            "coir::parallel_reduce: combine(sum, map(i)) and combine(sum, sum) must be possible, and give a sum of "
            "identity's type");
        constexpr bool copyable = std::copyable<std::decay_t<T>>;
        static_assert(copyable, "coir::parallel_reduce: identity's type must be copyable, and assignable");
        if constexpr (callable && copyable) {
            using loop =
                detail::reduction<std::decay_t<T>, std::remove_reference_t<Map>, std::remove_reference_t<Combine>>;
            return detail::run_loop(loop{grain, neutral, map, combine}, begin, detail::count_from(begin, end));
        }
    }
    return neutral;
}

}  // namespace coir
