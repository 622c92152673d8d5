// SPDX-License-Identifier: BSL-1.0
#include <coir/net/udp_socket.hpp>

#include <coir/net/resolve.hpp>

#include <sys/socket.h>

namespace coir::net {

udp_socket::udp_socket(std::string const& host, service const& port) {
    auto candidates = resolve(host.empty() ? "::" : host, port, transport::udp);
    if (host.empty()) {  // a machine without IPv6
        auto const v4 = resolve("0.0.0.0", port, transport::udp);
        candidates.insert(candidates.end(), v4.begin(), v4.end());
    }
    std::error_code error;
    for (endpoint const& local : candidates) {
        socket_ = coir::detail::socket_handle::open(local, SOCK_DGRAM, error);
        if (!error) {
            socket_.bind(local, error);
        }
        if (!error) {
            return;
        }
    }
    socket_.close();
    throw std::system_error(error, "coir::net::udp_socket: cannot open " + host + " port " + port.name());
}

std::size_t udp_socket::send_to(std::span<std::byte const> datagram, endpoint const& receiver) {
    std::error_code error;
    std::size_t const count = send_to(datagram, receiver, error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::udp_socket: send");
    }
    return count;
}

std::size_t udp_socket::receive_from(std::span<std::byte> buffer, endpoint& sender) {
    std::error_code error;
    std::size_t const count = receive_from(buffer, sender, error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::udp_socket: receive");
    }
    return count;
}

endpoint udp_socket::local_endpoint() const {
    std::error_code error;
    endpoint const result = socket_.local_endpoint(error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::udp_socket: local endpoint");
    }
    return result;
}

}  // namespace coir::net
