// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <coir/core/task/shared_state.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace coir {

/// How something that was awaited has ended: with a value, or with an exception (a cancellation is the exception
/// `cancelled`).
template <class T>
class outcome {
public:
    /// Made of what a callable gives or throws.
    template <class F>
        requires std::is_invocable_v<F&>
    static outcome of(F&& f) noexcept(false) {
        outcome result;
        try {
            if constexpr (std::is_void_v<T>) {
                f();
                result.value_.emplace();
            } else {
                result.value_.emplace(f());
            }
        } catch (...) {
            result.error_ = std::current_exception();
        }
        return result;
    }
    explicit outcome(std::exception_ptr error) noexcept : error_(std::move(error)) {}

    bool has_value() const noexcept { return error_ == nullptr; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The value; throws the exception if there is one instead. An rvalue's may be moved from.
    std::add_lvalue_reference_t<T> value() & {
        rethrow();
        return get();
    }
    std::add_lvalue_reference_t<std::conditional_t<std::is_reference_v<T>, T, T const>> value() const& {
        rethrow();
        return value_.peek();
    }
    T value() && {
        rethrow();
        return value_.take();
    }

    /// The exception, or null if there is a value.
    std::exception_ptr error() const noexcept { return error_; }

private:
    outcome() = default;

    void rethrow() const {
        if (error_) {
            std::rethrow_exception(error_);
        }
    }
    std::add_lvalue_reference_t<T> get() noexcept {
        if constexpr (std::is_void_v<T>) {
            return;
        } else {
            return const_cast<std::add_lvalue_reference_t<T>>(value_.peek());
        }
    }

    detail::result_slot<T> value_;
    std::exception_ptr error_;
};

namespace detail {

/// Of a handle that is done. Its exception then counts as retrieved.
template <class Handle>
auto settled_outcome(Handle& handle) -> outcome<typename std::remove_cvref_t<Handle>::value_type> {
    using result = outcome<typename std::remove_cvref_t<Handle>::value_type>;
    if (auto error = handle.state()->error()) {
        return result(std::move(error));
    }
    return result::of([&]() -> decltype(auto) { return handle.get(); });
}

}  // namespace detail
}  // namespace coir
