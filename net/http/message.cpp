// SPDX-License-Identifier: BSL-1.0
#include <coir/net/http/message.hpp>

#include "net/http/text_impl.hpp"

#include <stdexcept>

namespace coir::net::http {
namespace {

int hex_value(char c) noexcept {
    if (is_digit(c)) {
        return c - '0';
    }
    char const lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

bool percent_decode(std::string_view text, bool plus, std::string& result) {
    result.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            int const high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
            int const low = high < 0 ? -1 : hex_value(text[i + 2]);
            if (low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            result.push_back(static_cast<char>(high * 16 + low));
            i += 2;
        } else {
            result.push_back(plus && text[i] == '+' ? ' ' : text[i]);
        }
    }
    return true;
}

bool request::find_query(std::string_view name, std::string* value) const {
    std::size_t const mark = target_.find('?');
    if (mark == std::string::npos) {
        return false;
    }
    std::string_view rest = std::string_view(target_).substr(mark + 1);
    std::string key;
    for (;;) {
        std::size_t const end = rest.find('&');
        std::string_view const pair = rest.substr(0, end);
        std::size_t const equals = pair.find('=');
        if (percent_decode(pair.substr(0, equals), true, key) && key == name) {
            std::string_view const text = equals == std::string_view::npos ? "" : pair.substr(equals + 1);
            if (value != nullptr && !percent_decode(text, true, *value)) {
                value->assign(text);
            }
            return true;
        }
        if (end == std::string_view::npos) {
            return false;
        }
        rest.remove_prefix(end + 1);
    }
}

std::string request::query(std::string_view name) const {
    std::string value;
    find_query(name, &value);
    return value;
}

bool request::has_query(std::string_view name) const {
    return find_query(name, nullptr);
}

std::string request::param(std::string_view name) const {
    if (param_names_ != nullptr) {
        for (std::size_t i = 0; i < param_names_->size(); ++i) {
            if ((*param_names_)[i] == name) {
                return params_[i];
            }
        }
    }
    return {};
}

std::string request::header(std::string_view name) const {
    std::string value;
    bool found = false;
    for (field const& f : fields_) {
        if (equal_ignoring_case(text(f.name), name)) {
            if (found) {
                value.append(", ");
            }
            value.append(text(f.value));
            found = true;
        }
    }
    return value;
}

bool request::has_header(std::string_view name) const noexcept {
    for (field const& f : fields_) {
        if (equal_ignoring_case(text(f.name), name)) {
            return true;
        }
    }
    return false;
}

response& response::set_header(std::string name, std::string value) {
    if (!is_token(name) || !is_field_value(value)) {
        throw std::invalid_argument("coir::net::http: a header's name or value holds characters that are not allowed");
    }
    if (is_framing_header(name)) {
        throw std::invalid_argument("coir::net::http: " + name + " is set by the server itself");
    }
    if (equal_ignoring_case(name, "content-type")) {
        content_type = std::move(value);
        return *this;
    }
    for (auto& [existing, old_value] : headers) {
        if (equal_ignoring_case(existing, name)) {
            old_value = std::move(value);
            return *this;
        }
    }
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
}

}  // namespace coir::net::http
