// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   endpoint   an IPv4 or IPv6 address and a port
//   service    a port as users name it: 8080, "8080" or "http"

#include <array>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

struct sockaddr;

namespace coir::net {

/// An IPv4 or IPv6 address and a port. A value; nothing here suspends.
class endpoint {
public:
    /// No address.
    endpoint() = default;
    /// From what the system returns; of other families nothing is kept.
    endpoint(sockaddr const* address, std::size_t size) noexcept;

    /// From digits, without any look-up: empty if `address` is neither "127.0.0.1" nor "::1" (with or without
    /// brackets).
    static std::optional<endpoint> from_digits(std::string_view address, std::uint16_t port);

    bool is_v4() const noexcept;
    bool is_v6() const noexcept;
    /// "127.0.0.1", "::1"; empty without an address.
    std::string address() const;
    std::uint16_t port() const noexcept;
    /// "127.0.0.1:80", "[::1]:80"
    std::string to_string() const;

    sockaddr const* data() const noexcept;
    std::size_t size() const noexcept { return size_; }

    friend bool operator==(endpoint const& a, endpoint const& b) noexcept = default;

private:
    static constexpr std::size_t k_capacity = 28;  // sizeof(sockaddr_in6)

    alignas(8) std::array<unsigned char, k_capacity> bytes_{};
    std::size_t size_ = 0;
};

/// A port by number or by name.
class service {
public:
    /// Throws std::out_of_range for a number that is no port.
    template <std::integral Number>
        requires(!std::same_as<Number, bool>)
    service(Number number) : name_(checked(static_cast<long long>(number))) {}
    service(std::string name) : name_(std::move(name)) {}
    service(std::string_view name) : name_(name) {}
    service(char const* name) : name_(name) {}

    std::string const& name() const noexcept { return name_; }
    /// Empty if it is a name that has to be looked up. Throws std::out_of_range for a number beyond 65535.
    std::optional<std::uint16_t> number() const;

private:
    static std::string checked(long long number);

    std::string name_;
};

}  // namespace coir::net
