// SPDX-License-Identifier: BSL-1.0
#include <coir/net/endpoint.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace coir::net {
namespace {

template <class Address>
Address read_as(void const* bytes) noexcept {
    Address address;
    std::memcpy(&address, bytes, sizeof address);
    return address;
}

sa_family_t family_of(void const* bytes) noexcept {
    return read_as<sockaddr>(bytes).sa_family;
}

}  // namespace

endpoint::endpoint(sockaddr const* address, std::size_t size) noexcept {
    static_assert(sizeof(sockaddr_in6) == k_capacity);
    if ((address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) ||
        (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6))) {
        size_ = address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
        std::memcpy(bytes_.data(), address, size_);
    }
}

std::optional<endpoint> endpoint::from_digits(std::string_view address, std::uint16_t port) {
    if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
        address = address.substr(1, address.size() - 2);
    }
    std::string digits(address);
    sockaddr_in v4{};
    if (::inet_pton(AF_INET, digits.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        return endpoint(reinterpret_cast<sockaddr const*>(&v4), sizeof v4);
    }
    sockaddr_in6 v6{};
    if (auto const zone = digits.find('%'); zone != std::string::npos) {  // fe80::1%eth0
        v6.sin6_scope_id = ::if_nametoindex(digits.c_str() + zone + 1);
        digits.resize(zone);
    }
    if (::inet_pton(AF_INET6, digits.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        return endpoint(reinterpret_cast<sockaddr const*>(&v6), sizeof v6);
    }
    return std::nullopt;
}

bool endpoint::is_v4() const noexcept {
    return size_ != 0 && family_of(bytes_.data()) == AF_INET;
}

bool endpoint::is_v6() const noexcept {
    return size_ != 0 && family_of(bytes_.data()) == AF_INET6;
}

std::string endpoint::address() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (is_v4()) {
        auto const v4 = read_as<sockaddr_in>(bytes_.data());
        ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    } else if (is_v6()) {
        auto const v6 = read_as<sockaddr_in6>(bytes_.data());
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    }
    return text.data();
}

std::uint16_t endpoint::port() const noexcept {
    if (is_v4()) {
        return ntohs(read_as<sockaddr_in>(bytes_.data()).sin_port);
    }
    return is_v6() ? ntohs(read_as<sockaddr_in6>(bytes_.data()).sin6_port) : std::uint16_t{0};
}

std::string endpoint::to_string() const {
    std::string text = address();
    if (is_v6()) {
        text.insert(text.begin(), '[');
        text.push_back(']');
    }
    text.push_back(':');
    return text.append(std::to_string(port()));
}

sockaddr const* endpoint::data() const noexcept {
    return reinterpret_cast<sockaddr const*>(bytes_.data());
}

std::optional<std::uint16_t> service::number() const {
    if (name_.empty() || !std::all_of(name_.begin(), name_.end(), [](char c) { return c >= '0' && c <= '9'; })) {
        return std::nullopt;
    }
    std::uint16_t value = 0;
    if (std::from_chars(name_.data(), name_.data() + name_.size(), value).ec != std::errc()) {
        throw std::out_of_range("coir::net: " + name_ + " is no port: ports end at 65535");
    }
    return value;
}

std::string service::checked(long long number) {
    if (number < 0 || number > 65535) {
        throw std::out_of_range("coir::net: " + std::to_string(number) + " is no port: ports are 0 to 65535");
    }
    return std::to_string(number);
}

}  // namespace coir::net
