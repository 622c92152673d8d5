// SPDX-License-Identifier: BSL-1.0
#include <coir/net/tcp_stream.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace coir::net {

std::size_t tcp_stream::read_some(std::span<std::byte> buffer) {
    std::error_code error;
    std::size_t const count = read_some(buffer, error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::tcp_stream: read");
    }
    return count;
}

std::size_t tcp_stream::write_some(std::span<std::byte const> buffer) {
    std::error_code error;
    std::size_t const count = write_some(buffer, error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::tcp_stream: write");
    }
    return count;
}

std::size_t tcp_stream::write(std::span<std::byte const> buffer) {
    std::error_code error;
    std::size_t const count = write(buffer, error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::tcp_stream: write");
    }
    return count;
}

void tcp_stream::shutdown(shutdown_type what, std::error_code& error) noexcept {
    int const how = what == shutdown_type::receive ? SHUT_RD : what == shutdown_type::send ? SHUT_WR : SHUT_RDWR;
    socket_.shutdown(how, error);
}

void tcp_stream::shutdown(shutdown_type what) {
    std::error_code error;
    shutdown(what, error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::tcp_stream: shutdown");
    }
}

endpoint tcp_stream::local_endpoint() const {
    std::error_code error;
    endpoint const result = socket_.local_endpoint(error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::tcp_stream: local endpoint");
    }
    return result;
}

endpoint tcp_stream::remote_endpoint() const {
    std::error_code error;
    endpoint const result = socket_.remote_endpoint(error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::tcp_stream: remote endpoint");
    }
    return result;
}

void tcp_stream::set_no_delay(bool on) {
    std::error_code error;
    socket_.set_option(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0, error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::tcp_stream: TCP_NODELAY");
    }
}

}  // namespace coir::net
