// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   request    what a client asked for
//   response   what it gets: status, body, content_type, and more by set_header()

#include <coir/net/endpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace coir::net::http {

class request_parser;

/// A request, complete with its body. Nothing here suspends. Values are returned by copy; names of headers are compared
/// without regard to case.
class request {
public:
    std::string const& method() const noexcept { return method_; }
    /// As the client sent it: path and query.
    std::string const& target() const noexcept { return target_; }
    /// The target without the query; still percent-encoded.
    std::string const& path() const noexcept { return path_; }
    /// A parameter of the query, decoded; empty if there is none. Of several the first.
    std::string query(std::string_view name) const;
    bool has_query(std::string_view name) const;
    /// What stands in the path for `{name}` of the route, decoded; empty if the route has no such parameter.
    std::string param(std::string_view name) const;
    /// The header's value; empty if there is none. Several of one name are joined by ", ".
    std::string header(std::string_view name) const;
    bool has_header(std::string_view name) const noexcept;
    std::string const& body() const noexcept { return body_; }
    /// The client's end of the connection.
    endpoint const& remote() const noexcept { return remote_; }
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    int version_minor() const noexcept { return version_minor_; }

private:
    friend class request_parser;
    friend class router;
    friend class connection;

    // Parts of head_.
    struct piece {
        std::uint32_t begin = 0;
        std::uint32_t size = 0;
    };
    struct field {
        piece name;
        piece value;
    };
    std::string_view text(piece p) const noexcept { return std::string_view(head_).substr(p.begin, p.size); }
    bool find_query(std::string_view name, std::string* value) const;

    std::string head_;
    std::vector<field> fields_;
    std::string method_;
    std::string target_;
    std::string path_;
    std::string body_;
    std::vector<std::string> const* param_names_ = nullptr;
    std::vector<std::string> params_;
    endpoint remote_;
    int version_minor_ = 1;
};

/// An answer. Content-Length, Date and Connection are the server's to add.
struct response {
    int status = 200;
    std::string body = {};
    std::string content_type = "text/plain";
    std::vector<std::pair<std::string, std::string>> headers = {};

    /// Replaces a header of that name, or adds one. Throws std::invalid_argument for names and values that would break
    /// the message (line breaks, control characters), and for headers that describe the message's framing.
    response& set_header(std::string name, std::string value);
};

/// `text` with %41 replaced by "A"; `plus` also turns "+" into a space. False if an escape is broken or makes a zero
/// byte.
bool percent_decode(std::string_view text, bool plus, std::string& result);

}  // namespace coir::net::http
