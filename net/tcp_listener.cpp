// SPDX-License-Identifier: BSL-1.0
#include <coir/net/tcp_listener.hpp>

#include <coir/core/task/sleep.hpp>
#include <coir/net/resolve.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace coir::net {
namespace {

using namespace std::chrono_literals;

// How long accept() pauses when there is no descriptor to be had: nothing tells us when there is one again.
constexpr auto k_first_pause = 5ms;
constexpr auto k_longest_pause = 250ms;

bool is_out_of_resources(std::error_code error) noexcept {
    return error.value() == EMFILE || error.value() == ENFILE || error.value() == ENOBUFS || error.value() == ENOMEM;
}

// What accept(2) reports about one connection, which says nothing about the next.
bool concerns_the_peer_only(std::error_code error) noexcept {
    switch (error.value()) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

coir::detail::socket_handle listen_on(endpoint const& local, listen_options const& options, std::error_code& error) {
    auto socket = coir::detail::socket_handle::open(local, SOCK_STREAM, error);
    if (!error && options.reuse_address) {
        socket.set_option(SOL_SOCKET, SO_REUSEADDR, 1, error);
    }
    // Accepted sockets inherit it: one system call for all of them.
    if (!error) {
        socket.set_option(IPPROTO_TCP, TCP_NODELAY, 1, error);
    }
    if (!error) {
        socket.bind(local, error);
    }
    if (!error) {
        socket.listen(options.backlog, error);
    }
    return socket;
}

}  // namespace

tcp_listener::tcp_listener(std::string const& host, service const& port, listen_options options) {
    std::vector<endpoint> const candidates = host.empty() ? resolve("::", port) : resolve(host, port);
    std::error_code error;
    for (endpoint const& local : candidates) {
        error.clear();
        socket_ = listen_on(local, options, error);
        if (!error) {
            return;
        }
    }
    socket_.close();
    if (host.empty()) {  // a machine without IPv6
        *this = tcp_listener("0.0.0.0", port, options);
        return;
    }
    throw std::system_error(error, "coir::net: cannot listen on " + host + " port " + port.name());
}

tcp_stream tcp_listener::accept(std::error_code& error) {
    clock::duration pause = k_first_pause;
    for (;;) {
        endpoint peer;
        auto accepted = socket_.accept(peer, coir::detail::k_never, error);
        if (!error) {
            return tcp_stream(std::move(accepted));
        }
        if (is_out_of_resources(error)) {
            sleep(pause);
            pause = std::min<clock::duration>(pause * 2, k_longest_pause);
        } else if (!concerns_the_peer_only(error)) {
            return {};
        }
    }
}

tcp_stream tcp_listener::accept() {
    std::error_code error;
    tcp_stream accepted = accept(error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::tcp_listener: accept");
    }
    return accepted;
}

std::optional<tcp_stream> tcp_listener::try_accept(std::error_code& error) {
    for (;;) {
        endpoint peer;
        auto accepted = socket_.accept_now(peer, error);
        if (!error) {
            return tcp_stream(std::move(accepted));
        }
        if (!concerns_the_peer_only(error)) {
            return std::nullopt;
        }
    }
}

endpoint tcp_listener::local_endpoint() const {
    std::error_code error;
    endpoint const result = socket_.local_endpoint(error);
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::tcp_listener: local endpoint");
    }
    return result;
}

}  // namespace coir::net
