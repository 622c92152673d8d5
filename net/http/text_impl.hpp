// SPDX-License-Identifier: BSL-1.0
#pragma once

// What HTTP messages may hold, byte by byte (RFC 9110, RFC 9112).

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace coir::net::http {

constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

constexpr bool is_alpha(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// A set of characters.
class char_set {
public:
    /// Letters, digits, and `others`.
    constexpr explicit char_set(std::string_view others) noexcept {
        for (std::size_t c = 0; c < in_.size(); ++c) {
            char const as_char = static_cast<char>(c);
            in_[c] = is_alpha(as_char) || is_digit(as_char) || others.find(as_char) != std::string_view::npos;
        }
    }
    constexpr bool operator()(char c) const noexcept { return in_[static_cast<unsigned char>(c)]; }

private:
    std::array<bool, 256> in_{};
};

/// Of names of headers and methods.
inline constexpr char_set is_token_char("!#$%&'*+-.^_`|~");

constexpr bool is_control(char c) noexcept {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

constexpr char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return to_lower(x) == to_lower(y); });
}

constexpr bool is_token(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

constexpr bool is_field_value(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), is_control);
}

constexpr std::string_view trim(std::string_view text) noexcept {
    auto const is_space = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_space(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

/// Calls `f` with each element of a comma-separated list.
template <class F>
void for_each_element(std::string_view list, F f) {
    for (;;) {
        std::size_t const comma = list.find(',');
        f(trim(list.substr(0, comma)));
        if (comma == std::string_view::npos) {
            return;
        }
        list.remove_prefix(comma + 1);
    }
}

/// A header that says where a message ends: never to be set by users, never to come as a trailer.
constexpr bool is_framing_header(std::string_view name) noexcept {
    return equal_ignoring_case(name, "content-length") || equal_ignoring_case(name, "transfer-encoding");
}

}  // namespace coir::net::http
