// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <coir/net/http/message.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace coir::net::http {

class connection;

/// An answer in parts, for handlers `void(request&, response_writer&)`. The head leaves with the first part; the end
/// follows when the handler returns. Without set_content_length() the body is sent in chunks (to HTTP/1.0 clients: up
/// to the end of the connection). An exception after the head has left cuts the connection, so that the client knows.
class response_writer {
public:
    /// Before the first write(): else they throw invalid_state. set_header() as response::set_header().
    response_writer& set_status(int status);
    response_writer& set_content_type(std::string type);
    response_writer& set_header(std::string name, std::string value);
    response_writer& set_content_length(std::uint64_t bytes);

    /// Sends a part. Suspends while the client does not take it. Throws std::system_error when the client is gone,
    /// timeout_error when it takes nothing for too long, std::length_error beyond the content length, `cancelled`.
    void write(std::string_view part);

    // For the library.
    explicit response_writer(connection& to) noexcept : to_(to) {}
    response_writer(response_writer const&) = delete;
    response_writer& operator=(response_writer const&) = delete;

private:
    friend class connection;

    void send_head();
    void finish();

    connection& to_;
    response head_;
    std::uint64_t length_ = 0;
    std::uint64_t written_ = 0;
    bool has_length_ = false;
    bool head_sent_ = false;
    bool chunked_ = false;
};

}  // namespace coir::net::http
