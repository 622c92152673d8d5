// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>

namespace coir::net::http {

/// How an HTTP server is set up, and what it takes from its clients. Every member has a default.
struct server_options {
    /// Of the request line and all headers. Beyond: 431.
    std::size_t max_header_bytes = 16 * 1024;
    /// Beyond: 431.
    std::size_t max_headers = 100;
    /// Of the target. Beyond: 414.
    std::size_t max_url_bytes = 8 * 1024;
    /// Beyond: 413.
    std::size_t max_body_bytes = 1024 * 1024;
    /// From the first byte of a request, or the start of the connection, to the end of its headers. Beyond: 408.
    std::chrono::nanoseconds header_timeout = std::chrono::seconds(10);
    /// Between two requests of a connection. Beyond, it is closed.
    std::chrono::nanoseconds idle_timeout = std::chrono::seconds(60);
    /// Between two parts of a body. Beyond: 408.
    std::chrono::nanoseconds body_timeout = std::chrono::seconds(20);
    /// Until the client takes more of a response. Beyond, the connection is closed.
    std::chrono::nanoseconds write_timeout = std::chrono::seconds(30);
    /// Connections at once; those beyond wait to be accepted.
    std::size_t max_connections = 100'000;
    /// Connections that wait to be accepted, at most; the system may have a lower limit.
    int backlog = 4096;
    /// Bytes in a second that a body has to come with, from its beginning, beside one body_timeout that it has to
    /// spare: else a byte now and then keeps a connection for as long as it likes. Beyond: 408. 0: no such limit.
    std::size_t min_body_rate = 256;
};

}  // namespace coir::net::http
