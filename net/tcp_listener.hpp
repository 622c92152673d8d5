// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   tcp_listener     a port that takes TCP connections
//   listen_options   how it is opened

#include <coir/net/endpoint.hpp>
#include <coir/net/socket.hpp>
#include <coir/net/tcp_stream.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

namespace coir::net {

/// How a listener is opened. Every member has a default.
struct listen_options {
    /// Connections that wait to be accepted, at most; the system may have a lower limit.
    int backlog = 4096;
    /// Take a port over that connections of an earlier process still linger on.
    bool reuse_address = true;
};

/// A port that takes TCP connections. Several tasks may accept at once. Move-only; the destructor closes.
class tcp_listener {
public:
    tcp_listener() noexcept = default;
    /// Listens on `host` (an address, a name, or empty for all of the machine's) and `port` (0: any that is free). A
    /// name is resolved, which suspends. Throws std::system_error, for example when the port is in use.
    tcp_listener(std::string const& host, service const& port, listen_options options = {});
    tcp_listener(tcp_listener&&) noexcept = default;
    tcp_listener& operator=(tcp_listener&&) noexcept = default;

    /// Waits for a connection. Suspends the calling task (blocks a thread). Throws `cancelled`, and no connection is
    /// lost. Peers that have gone again are passed over. While the process is out of descriptors or the system out of
    /// memory it tries again from time to time, and the peers wait in the queue. close() ends it with
    /// std::errc::operation_canceled.
    tcp_stream accept(std::error_code& error);
    tcp_stream accept();
    /// Never waits: empty when nobody is in the queue, or on an error.
    std::optional<tcp_stream> try_accept(std::error_code& error);

    /// Idempotent. Those who wait in the queue are turned away. Does not suspend.
    void close() noexcept { socket_.close(); }
    bool is_open() const noexcept { return socket_.is_open(); }

    std::uint16_t port() const { return local_endpoint().port(); }
    endpoint local_endpoint() const;

private:
    coir::detail::socket_handle socket_;
};

}  // namespace coir::net
