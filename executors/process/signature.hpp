// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a function that runs in another process may take and return, and the code on both sides that knows its types.

#include <coir/executors/process/archive.hpp>

#include <cstddef>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace coir::detail {

// ---- which parameters ------------------------------------------------------------------------------------------------

template <class... Ps>
struct parameter_list {
    static constexpr std::size_t size = sizeof...(Ps);
};

template <class F>
struct parameters_of_member;
template <class R, class C, class... Ps>
struct parameters_of_member<R (C::*)(Ps...) const> {
    using type = parameter_list<Ps...>;
};
template <class R, class C, class... Ps>
struct parameters_of_member<R (C::*)(Ps...) const noexcept> {
    using type = parameter_list<Ps...>;
};

// Args: what the caller passes, for callables that take anything (generic lambdas).
template <class F, class... Args>
struct parameters_of {
    using type = parameter_list<std::decay_t<Args>...>;
};
template <class R, class... Ps, class... Args>
struct parameters_of<R (*)(Ps...), Args...> {
    using type = parameter_list<Ps...>;
};
template <class R, class... Ps, class... Args>
struct parameters_of<R (*)(Ps...) noexcept, Args...> {
    using type = parameter_list<Ps...>;
};
template <class F, class... Args>
    requires requires {
        &F::operator();
    }
struct parameters_of<F, Args...> : parameters_of_member<decltype(&F::operator())> {};

// ---- which types -----------------------------------------------------------------------------------------------------

using shared_bytes = std::span<std::byte const>;

template <class T>
inline constexpr bool k_is_view = std::ranges::enable_view<T> || std::is_same_v<T, char const*>;

template <class P>
inline constexpr bool k_parameter_is_in_out =
    std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>;

template <class P>
inline constexpr bool k_parameter_is_pointer =
    std::is_pointer_v<std::remove_cvref_t<P>> || std::is_member_pointer_v<std::remove_cvref_t<P>>;

template <class P>
inline constexpr bool k_parameter_is_foreign_view =
    k_is_view<std::remove_cvref_t<P>> && !std::is_same_v<std::remove_cvref_t<P>, shared_bytes> &&
    !std::is_same_v<std::remove_cvref_t<P>, std::string_view>;

template <class R>
inline constexpr bool k_result_can_be_sent =
    !std::is_reference_v<R> && !std::is_pointer_v<R> && !std::is_member_pointer_v<R> && !k_is_view<std::remove_cv_t<R>>;

// In both directions, and by cereal's rules: an empty class needs nothing.
template <class T>
inline constexpr bool k_can_be_serialised = [] {
    if constexpr (std::is_void_v<T> || std::is_empty_v<T>) {
        return true;
    } else {
        return cereal::traits::is_output_serializable<T, wire_output>::value &&
               cereal::traits::is_input_serializable<T, wire_input>::value;
    }
}();

template <class R>
inline constexpr bool k_result_can_be_serialised = [] {
    if constexpr (k_result_can_be_sent<R>) {
        return k_can_be_serialised<std::remove_cv_t<R>>;
    } else {
        return true;  // refused for another reason
    }
}();

template <class P>
inline constexpr bool k_parameter_can_be_sent = [] {
    if constexpr (k_is_view<std::remove_cvref_t<P>> || k_parameter_is_pointer<P>) {
        return true;  // or refused for another reason
    } else {
        return k_can_be_serialised<std::remove_cvref_t<P>>;
    }
}();

/// Holds one argument in the worker while the function runs.
template <class P>
struct received_argument {
    std::remove_cvref_t<P> value{};

    void load(wire_input& in) { in(value); }
    P&& pass() noexcept { return static_cast<P&&>(value); }

    template <class Arg>
    static void save(wire_output& out, Arg&& arg) {
        if constexpr (std::is_same_v<std::remove_cvref_t<Arg>, std::remove_cvref_t<P>>) {
            out(static_cast<std::remove_cvref_t<P> const&>(arg));
        } else {
            auto const converted = static_cast<std::remove_cvref_t<P>>(std::forward<Arg>(arg));
            out(converted);
        }
    }
};

template <class P>
    requires(std::is_same_v<std::remove_cvref_t<P>, std::string_view>)
struct received_argument<P> {
    std::string text;
    std::string_view value;

    void load(wire_input& in) {
        auto const bytes = in.read_span();
        text.assign(reinterpret_cast<char const*>(bytes.data()), bytes.size());
        value = text;
    }
    P&& pass() noexcept { return static_cast<P&&>(value); }

    template <class Arg>
    static void save(wire_output& out, Arg&& arg) {
        std::string_view const text = std::forward<Arg>(arg);
        out.write_span(std::as_bytes(std::span(text.data(), text.size())));
    }
};

template <class P>
    requires(std::is_same_v<std::remove_cvref_t<P>, shared_bytes>)
struct received_argument<P> {
    // What came in the message is copied: it lies there unaligned, and users look at bytes as numbers.
    std::unique_ptr<std::byte[]> aligned;
    shared_bytes value;

    void load(wire_input& in) {
        value = in.read_span();
        if (value.empty()) {
            value = {};
        } else if (reinterpret_cast<std::uintptr_t>(value.data()) % k_share_alignment != 0) {
            aligned.reset(new std::byte[value.size()]);
            std::memcpy(aligned.get(), value.data(), value.size());
            value = {aligned.get(), value.size()};
        }
    }
    P&& pass() noexcept { return static_cast<P&&>(value); }

    template <class Arg>
    static void save(wire_output& out, Arg&& arg) {
        out.write_span(shared_bytes(std::forward<Arg>(arg)));
    }
};

// ---- both sides ------------------------------------------------------------------------------------------------------

/// The worker's side of a function; its address is the function's name.
using remote_thunk = void (*)(wire_input& in, wire_output& out);

template <auto Function, class List>
struct remote_function;

template <auto Function, class... Ps>
struct remote_function<Function, parameter_list<Ps...>> {
    static_assert(
        !(k_parameter_is_in_out<Ps> || ...),
        "coir::process_pool_executor: the function takes a non-const lvalue reference, but what it writes there "
        "would stay in the worker process: take a value, return the result");
    static_assert(!(k_parameter_is_pointer<Ps> || ...),
                  "coir::process_pool_executor: the function takes a pointer, which means nothing in another process: "
                  "take a value, std::string or std::span<const std::byte>");
    static_assert(
        !(k_parameter_is_foreign_view<Ps> || ...),
        "coir::process_pool_executor: the function takes a view of memory that another process does not have: "
        "take a container, std::string_view or std::span<const std::byte>");

    using result = std::invoke_result_t<decltype(Function) const&, Ps...>;
    static_assert(
        k_result_can_be_sent<result>,
        "coir::process_pool_executor: the function returns a reference, pointer or view, which would refer to "
        "memory of the worker process: return a value");
    using value_type = std::remove_cv_t<result>;
    static_assert(
        (k_parameter_can_be_sent<Ps> && ...),
        "coir::process_pool_executor: a parameter cannot be serialised: include its header of <cereal/types/>, "
        "or give the class a serialize(archive)");
    static_assert(
        !k_result_can_be_sent<result> || k_can_be_serialised<value_type>,
        "coir::process_pool_executor: the result cannot be serialised: include its header of <cereal/types/>, "
        "or give the class a serialize(archive)");

    static void thunk(wire_input& in, wire_output& out) {
        std::tuple<received_argument<Ps>...> arguments;
        std::apply([&in](auto&... each) { (each.load(in), ...); }, arguments);
        in.expect_end();
        auto call = [&arguments]() -> result {
            return std::apply([](auto&... each) -> result { return Function(each.pass()...); }, arguments);
        };
        if constexpr (std::is_void_v<result>) {
            call();
        } else {
            auto const value = call();
            out(value);
        }
        out.finish();
    }

    template <class... Args>
    static void save_arguments(wire_output& out, Args&&... args) {
        static_assert(
            sizeof...(Args) == sizeof...(Ps),
            "coir::process_pool_executor: as many arguments as the function has parameters (default arguments "
            "are not known here)");
        static_assert((std::is_convertible_v<Args&&, Ps> && ...) ||
                          (std::is_convertible_v<Args&&, std::remove_cvref_t<Ps>> && ...),
                      "coir::process_pool_executor: an argument does not convert to the function's parameter");
        (received_argument<Ps>::save(out, std::forward<Args>(args)), ...);
        out.finish();
    }
};

template <auto Function, class... Args>
using remote_function_for =
    remote_function<Function, typename parameters_of<std::remove_const_t<decltype(Function)>, Args...>::type>;

}  // namespace coir::detail
