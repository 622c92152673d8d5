// SPDX-License-Identifier: BSL-1.0
#include "net/http/router_impl.hpp"

#include "net/http/text_impl.hpp"

#include <algorithm>
#include <stdexcept>

namespace coir::net::http {
namespace {

// Splits "/users/7" into "users" and "/7".
std::string_view take_segment(std::string_view& path) noexcept {
    path.remove_prefix(1);
    std::size_t const end = std::min(path.find('/'), path.size());
    std::string_view const segment = path.substr(0, end);
    path.remove_prefix(end);
    return segment;
}

}  // namespace

void router::add(std::string_view pattern, route_handler handler) {
    auto const refuse = [&](char const* why) {
        throw std::invalid_argument("coir::net::http::server::route: " + std::string(pattern) + " " + why);
    };
    if (!is_token(handler.method)) {
        refuse("has a method that is none");
    }
    if (!pattern.starts_with('/')) {
        refuse("does not begin with a slash");
    }
    node* at = &root_;
    for (std::string_view left = pattern; !left.empty();) {
        std::string_view segment = take_segment(left);
        if (segment.starts_with('{') && segment.ends_with('}')) {
            std::string_view name = segment.substr(1, segment.size() - 2);
            bool const all_the_rest = name.ends_with("...");
            if (all_the_rest) {
                name.remove_suffix(3);
            }
            if (name.empty() || name.find_first_of("{}") != std::string_view::npos) {
                refuse("has a parameter without a name");
            }
            if (all_the_rest && !left.empty()) {
                refuse("goes on behind a {name...}");
            }
            handler.param_names.emplace_back(name);
            auto& next = all_the_rest ? at->rest : at->param;
            if (!next) {
                next = std::make_unique<node>();
            }
            at = next.get();
            continue;
        }
        if (segment.find_first_of("{}") != std::string_view::npos) {
            refuse("has a brace in the middle of a segment");
        }
        auto const known = std::find_if(at->literals.begin(), at->literals.end(),
                                        [&](auto const& entry) { return entry.first == segment; });
        if (known != at->literals.end()) {
            at = known->second.get();
        } else {
            at = at->literals.emplace_back(std::string(segment), std::make_unique<node>()).second.get();
        }
    }
    for (route_handler const& other : at->handlers) {
        if (other.method == handler.method) {
            refuse("has a handler for this method already");
        }
    }
    at->handlers.push_back(std::move(handler));
}

router::node const* router::match(node const& at, std::string_view path, bool encoded,
                                  std::vector<std::string>& params) {
    if (path.empty()) {
        return at.handlers.empty() ? nullptr : &at;
    }
    std::string_view left = path;
    std::string_view const segment = take_segment(left);
    std::string decoded;
    bool const is_text = !encoded || percent_decode(segment, false, decoded);
    std::string_view const text = encoded ? std::string_view(decoded) : segment;
    for (auto const& [literal, next] : at.literals) {
        if (is_text && text == literal) {
            if (node const* const found = match(*next, left, encoded, params)) {
                return found;
            }
        }
    }
    if (at.param && !segment.empty()) {
        params.emplace_back(segment);
        if (node const* const found = match(*at.param, left, encoded, params)) {
            return found;
        }
        params.pop_back();
    }
    if (at.rest) {
        params.emplace_back(path.substr(1));
        return at.rest.get();
    }
    return nullptr;
}

router::found router::find(request& r) const {
    bool const encoded = r.path_.find('%') != std::string::npos;
    node const* const at = r.path_.starts_with('/') ? match(root_, r.path_, encoded, r.params_) : nullptr;
    if (at == nullptr) {
        return {};
    }
    route_handler const* handler = nullptr;
    for (route_handler const& one : at->handlers) {
        if (one.method == r.method_ || (handler == nullptr && r.method_ == "HEAD" && one.method == "GET")) {
            handler = &one;
        }
    }
    if (handler == nullptr) {
        found result{.status = 405};
        for (route_handler const& one : at->handlers) {
            result.allow.append(result.allow.empty() ? "" : ", ").append(one.method);
            if (one.method == "GET") {
                result.allow.append(", HEAD");
            }
        }
        return result;
    }
    if (encoded) {
        std::string decoded;
        for (std::string& param : r.params_) {
            if (!percent_decode(param, false, decoded)) {
                return {.status = 400};
            }
            param = decoded;
        }
    }
    r.param_names_ = &handler->param_names;
    return {.handler = handler, .status = 200};
}

}  // namespace coir::net::http
