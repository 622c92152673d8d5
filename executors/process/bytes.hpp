// SPDX-License-Identifier: BSL-1.0
#pragma once

// Bytes on their way to another process.

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace coir::detail {

/// Leaves new elements uninitialised: what is resized is about to be read into.
template <class T>
struct uninitialised_allocator : std::allocator<T> {
    template <class U>
    struct rebind {
        using other = uninitialised_allocator<U>;
    };
    uninitialised_allocator() = default;
    template <class U>
    uninitialised_allocator(uninitialised_allocator<U> const&) noexcept {}

    template <class U, class... Args>
    void construct(U* where, Args&&... args) {
        if constexpr (sizeof...(Args) == 0 && std::is_trivially_default_constructible_v<U>) {
            ::new (static_cast<void*>(where)) U;
        } else {
            ::new (static_cast<void*>(where)) U(std::forward<Args>(args)...);
        }
    }
};

using byte_buffer = std::vector<std::byte, uninitialised_allocator<std::byte>>;

/// The most that one message may hold.
inline constexpr std::size_t k_largest_frame = std::size_t{1} << 30;

}  // namespace coir::detail
