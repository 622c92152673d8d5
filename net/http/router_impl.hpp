// SPDX-License-Identifier: BSL-1.0
#pragma once

// Which handler answers a path: a tree of path segments. Built before the server listens, only read afterwards.

#include <coir/net/http/message.hpp>
#include <coir/net/http/response_writer.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace coir::net::http {

/// One of the two functions is set.
struct route_handler {
    std::string method;
    std::vector<std::string> param_names;
    std::function<response(request const&)> whole;
    std::function<void(request&, response_writer&)> streaming;
};

class router {
public:
    /// Throws std::invalid_argument.
    void add(std::string_view pattern, route_handler handler);

    /// What was found; `handler` null: then `status` is 404, 405 (and `allow` the methods that there are) or 400.
    struct found {
        route_handler const* handler = nullptr;
        int status = 404;
        std::string allow = {};
    };
    /// Also gives the request its parameters.
    found find(request& r) const;

private:
    struct node {
        std::vector<std::pair<std::string, std::unique_ptr<node>>> literals;
        std::unique_ptr<node> param;
        std::unique_ptr<node> rest;
        std::vector<route_handler> handlers;
    };

    // `path` is what is left, with its leading slash. Fills `params`, still encoded.
    static node const* match(node const& at, std::string_view path, bool encoded, std::vector<std::string>& params);

    node root_;
};

}  // namespace coir::net::http
