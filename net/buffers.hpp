// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   mutable_buffers, const_buffers   Boost.Asio's sequences of buffers, by what they look like

#include <coir/net/socket.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

namespace coir::net {
namespace detail {

// What tells Asio's buffers from containers and spans, which have a data() and a size() too: theirs points to void.
template <class T>
concept mutable_buffer = requires(T const& b) {
    { b.data() } -> std::same_as<void*>;
    { b.size() } -> std::convertible_to<std::size_t>;
};
template <class T>
concept const_buffer = mutable_buffer<T> || requires(T const& b) {
    { b.data() } -> std::same_as<void const*>;
    { b.size() } -> std::convertible_to<std::size_t>;
};

template <class T>
using element_of = std::remove_cvref_t<decltype(*std::declval<T const&>().begin())>;

/// The first buffers of a sequence that are not empty.
struct slices {
    std::array<coir::detail::io_slice, coir::detail::k_slices> all;
    std::size_t count = 0;

    std::span<coir::detail::io_slice const> used() const noexcept { return {all.data(), count}; }
    /// False if there is no room left.
    template <class Buffer>
    bool add(Buffer const& b) noexcept {
        if (b.size() != 0) {
            all[count++] = {const_cast<void*>(static_cast<void const*>(b.data())), b.size()};
        }
        return count != all.size();
    }
};

template <class Buffers>
slices slices_of(Buffers const& buffers) {
    slices found;
    if constexpr (const_buffer<Buffers>) {
        found.add(buffers);
    } else {
        auto const end = buffers.end();
        for (auto at = buffers.begin(); at != end && found.add(*at); ++at) {
        }
    }
    return found;
}

}  // namespace detail

/// A boost::asio::mutable_buffer, or a range of such: a MutableBufferSequence.
template <class T>
concept mutable_buffers = detail::mutable_buffer<T> || detail::mutable_buffer<detail::element_of<T>>;
/// The same of either kind of buffer: a ConstBufferSequence.
template <class T>
concept const_buffers = detail::const_buffer<T> || detail::const_buffer<detail::element_of<T>>;

}  // namespace coir::net
