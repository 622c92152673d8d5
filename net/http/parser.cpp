// SPDX-License-Identifier: BSL-1.0
#include "net/http/parser_impl.hpp"

#include "net/http/text_impl.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace coir::net::http {
namespace {

// What a chunk may say about itself beside its size, and all chunks of a body together.
constexpr std::size_t k_chunk_extension = 256;
constexpr std::size_t k_all_extensions = 16 * 1024;
constexpr unsigned k_size_digits = 16;

// The request line has a method and a version beside the target.
constexpr std::size_t k_beside_target = 64;

constexpr char_set is_host_char("-._~%!$&'()*+;=:[]");

}  // namespace

struct request_parser::callbacks {
    static request_parser& self(llhttp_t* p) noexcept { return *static_cast<request_parser*>(p->data); }

    static int url(llhttp_t* p, char const* at, std::size_t size) {
        auto& me = self(p);
        auto const begin = static_cast<std::uint32_t>(me.fed_begin_ + static_cast<std::size_t>(at - me.fed_));
        if (me.target_.size == 0) {
            me.target_.begin = begin;
        }
        me.target_.size += static_cast<std::uint32_t>(size);
        return 0;
    }
    static int name(llhttp_t* p, char const* at, std::size_t size) {
        self(p).on_field(at, size, false);
        return 0;
    }
    static int value(llhttp_t* p, char const* at, std::size_t size) {
        self(p).on_field(at, size, true);
        return 0;
    }
    static int headers_complete(llhttp_t* p) {
        self(p).head_ended_ = true;
        p->upgrade = 0;
        return 1;  // no body for llhttp
    }
    // The one table is shared by all parsers, and llhttp does not write to it.
    static llhttp_settings_t* table() noexcept {
        static llhttp_settings_t settings = [] {
            llhttp_settings_t s;
            llhttp_settings_init(&s);
            s.on_url = &url;
            s.on_header_field = &name;
            s.on_header_value = &value;
            s.on_headers_complete = &headers_complete;
            return s;
        }();
        return &settings;
    }
};

request_parser::request_parser(server_options const& limits) : limits_(limits) {
    reset();
}

void request_parser::reset() {
    llhttp_init(&llhttp_, HTTP_REQUEST, callbacks::table());
    llhttp_.data = this;
    message_.head_.clear();
    message_.fields_.clear();
    message_.method_.clear();  // what is refused before it has one is not answered like the request before
    message_.version_minor_ = 1;
    message_.params_.clear();
    message_.param_names_ = nullptr;
    if (message_.body_.capacity() > 64 * 1024) {
        message_.body_ = std::string();  // one large body is no reason to keep its memory
    }
    message_.body_.clear();
    stage_ = stage::head;
    status_ = 0;
    line_ = 0;
    line_size_ = 0;
    spaces_ = 0;
    after_space_ = false;
    after_cr_ = false;
    in_name_ = false;
    scan_ended_ = false;
    head_ended_ = false;
    llhttp_gave_up_ = false;
    last_was_value_ = true;
    target_ = {};
    length_ = 0;
    hosts_ = 0;
    lengths_ = 0;
    framing_ = framing::none;
    asks_close_ = false;
    asks_keep_alive_ = false;
    expects_continue_ = false;
    has_transfer_encoding_ = false;
}

std::size_t request_parser::feed(char const* data, std::size_t size) {
    switch (stage_) {
    case stage::head:
        return feed_head(data, size);
    case stage::body:
        return framing_ == framing::chunked ? feed_chunked(data, size) : feed_length(data, size);
    default:
        return 0;
    }
}

// --- the head
// ----------------------------------------------------------------------------------------------------------

std::size_t request_parser::feed_head(char const* data, std::size_t size) {
    std::size_t const taken = scan_head(data, size);
    int const scan_status = stage_ == stage::failed ? status_ : 0;
    fed_begin_ = message_.head_.size();
    message_.head_.append(data, taken);
    if (!llhttp_gave_up_ && scan_status == 0) {
        auto const error = show_llhttp(data, taken);
        if (error == HPE_INVALID_METHOD || error == HPE_INVALID_VERSION) {
            llhttp_gave_up_ = true;
        } else if (error != HPE_OK) {
            fail(400);
        }
    }
    if (stage_ == stage::failed) {
        return taken;
    }
    if (llhttp_gave_up_) {
        if (line_ > 0) {
            fail(judge_request_line());
        }
    } else if (scan_ended_ || head_ended_) {
        if (scan_ended_ && head_ended_) {
            end_of_head();
        } else {
            fail(400);  // they disagree on where the head ends
        }
    }
    return taken;
}

// Looks at the bytes up to the end of the head, and says how many those are.
std::size_t request_parser::scan_head(char const* data, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
        char const c = data[i];
        if (message_.head_.size() + i >= limits_.max_header_bytes) {
            fail(line_ == 0 ? 414 : 431);
            return i;
        }
        if (after_cr_) {
            if (c != '\n') {
                fail(400);
                return i;
            }
            after_cr_ = false;
            bool const empty_line = line_size_ == 0;
            line_size_ = 0;
            if (line_ == 0 && empty_line) {
                continue;  // an empty line before a request is let pass
            }
            ++line_;
            if (empty_line) {
                scan_ended_ = true;
                return i + 1;
            }
            in_name_ = true;
            continue;
        }
        if (c == '\r') {
            after_cr_ = true;
            continue;
        }
        if (is_control(c)) {  // a bare line feed too
            fail(400);
            return i;
        }
        if (line_ == 0) {
            if (line_size_ >= limits_.max_url_bytes + k_beside_target) {
                fail(414);
                return i;
            }
            // Two single spaces: llhttp would take more, and others would read the rest as the target.
            bool const is_space = c == ' ';
            if (c == '\t' || static_cast<unsigned char>(c) >= 0x80 ||
                (is_space && (line_size_ == 0 || after_space_ || ++spaces_ > 2))) {
                fail(400);
                return i;
            }
            after_space_ = is_space;
        } else if (in_name_) {
            if (c == ':' && line_size_ != 0) {
                in_name_ = false;
            } else if (!is_token_char(c)) {  // a folded line, no name, a space before the colon
                fail(400);
                return i;
            }
        }
        ++line_size_;
    }
    return size;
}

// A tab around a value is as good as a space (RFC 9110 5.6.3), but behind a Content-Length llhttp refuses it. So it is
// shown spaces for tabs, which stand in nothing but values; those are taken from head_.
llhttp_errno_t request_parser::show_llhttp(char const* data, std::size_t size) {
    std::string without_tabs;
    if (std::find(data, data + size, '\t') != data + size) {
        without_tabs.assign(data, size);
        std::replace(without_tabs.begin(), without_tabs.end(), '\t', ' ');
        data = without_tabs.data();
    }
    fed_ = data;
    return llhttp_execute(&llhttp_, data, size);
}

void request_parser::on_field(char const* at, std::size_t size, bool value) {
    auto const begin = static_cast<std::uint32_t>(fed_begin_ + static_cast<std::size_t>(at - fed_));
    if (!value && last_was_value_) {
        message_.fields_.emplace_back();
    }
    last_was_value_ = value;
    auto& field = message_.fields_.back();
    request::piece& part = value ? field.value : field.name;
    if (part.size == 0) {
        part.begin = begin;
    }
    part.size = begin + static_cast<std::uint32_t>(size) - part.begin;
}

// The method or the version is not known: another one, or no HTTP at all?
int request_parser::judge_request_line() const {
    std::string_view line = message_.head_;
    while (line.starts_with("\r\n")) {
        line.remove_prefix(2);
    }
    line = line.substr(0, line.find("\r\n"));
    std::size_t const first = line.find(' ');
    std::size_t const last = line.rfind(' ');
    bool well_formed = first != std::string_view::npos && first < last && is_token(line.substr(0, first));
    std::string_view const version = well_formed ? line.substr(last + 1) : std::string_view();
    std::string_view const target = well_formed ? line.substr(first + 1, last - first - 1) : std::string_view();
    well_formed = well_formed && !target.empty() && target.find(' ') == std::string_view::npos && version.size() == 8 &&
                  version.starts_with("HTTP/") && is_digit(version[5]) && version[6] == '.' && is_digit(version[7]);
    if (!well_formed) {
        return 400;
    }
    return version == "HTTP/1.1" || version == "HTTP/1.0" ? 501 : 505;
}

void request_parser::end_of_head() {
    int const refused = check_head();
    if (refused != 0) {
        fail(refused);
        return;
    }
    left_ = length_;
    chunk_ = in_chunk::size;
    size_digits_ = 0;
    extension_bytes_ = 0;
    trailer_bytes_ = 0;
    trailers_ = 0;
    trailer_.clear();
    bool const has_body = framing_ == framing::chunked || length_ != 0;
    stage_ = has_body ? stage::body : stage::complete;
}

int request_parser::check_head() {
    if (llhttp_.http_major != 1 || llhttp_.http_minor > 1) {
        return judge_request_line();
    }
    message_.version_minor_ = llhttp_.http_minor;
    message_.method_ = llhttp_method_name(static_cast<llhttp_method_t>(llhttp_.method));
    if (message_.fields_.size() > limits_.max_headers) {
        return 431;
    }
    for (request::field& f : message_.fields_) {
        std::string_view const value = trim(message_.text(f.value));
        f.value.begin = static_cast<std::uint32_t>(value.data() - message_.head_.data());
        f.value.size = static_cast<std::uint32_t>(value.size());
        if (int const refused = check_field(message_.text(f.name), value); refused != 0) {
            return refused;
        }
    }
    if (hosts_ != 1 && !(hosts_ == 0 && message_.version_minor_ == 0)) {
        return 400;
    }
    if (has_transfer_encoding_ && (lengths_ != 0 || message_.version_minor_ == 0)) {
        return 400;
    }
    expects_continue_ = expects_continue_ && message_.version_minor_ == 1;
    framing_ = has_transfer_encoding_ ? framing::chunked : lengths_ != 0 ? framing::length : framing::none;
    keep_alive_ = !asks_close_ && (message_.version_minor_ == 1 || asks_keep_alive_);
    if (int const refused = check_target(); refused != 0) {
        return refused;
    }
    return length_ > limits_.max_body_bytes ? 413 : 0;
}

int request_parser::check_target() {
    std::string_view target = message_.text(target_);
    if (target.size() > limits_.max_url_bytes) {
        return 414;
    }
    if (message_.method_ == "CONNECT") {
        return 501;
    }
    if (target.find('#') != std::string_view::npos) {
        return 400;
    }
    message_.target_ = target;
    if (target == "*" && message_.method_ == "OPTIONS") {
        message_.path_ = target;
        return 0;
    }
    if (!target.starts_with('/')) {
        // The absolute form, as proxies are sent.
        std::size_t const scheme = target.find("://");
        if (scheme == std::string_view::npos || !(equal_ignoring_case(target.substr(0, scheme), "http") ||
                                                  equal_ignoring_case(target.substr(0, scheme), "https"))) {
            return 400;
        }
        target.remove_prefix(scheme + 3);
        std::size_t const path = target.find_first_of("/?");
        if (int const refused = check_authority(target.substr(0, path)); refused != 0) {
            return refused;
        }
        message_.target_ = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
        if (message_.target_.front() == '?') {
            message_.target_.insert(message_.target_.begin(), '/');
        }
    }
    message_.path_.assign(message_.target_, 0, message_.target_.find('?'));
    return 0;
}

// It stands for what Host says (RFC 9112 3.2.2), so that no two who look at this request take it for another host's.
int request_parser::check_authority(std::string_view authority) {
    if (authority.empty() || !std::all_of(authority.begin(), authority.end(), is_host_char)) {
        return 400;
    }
    for (request::field& f : message_.fields_) {
        if (equal_ignoring_case(message_.text(f.name), "host")) {
            f.value.begin = static_cast<std::uint32_t>(authority.data() - message_.head_.data());
            f.value.size = static_cast<std::uint32_t>(authority.size());
        }
    }
    return 0;
}

int request_parser::check_field(std::string_view name, std::string_view value) {
    if (equal_ignoring_case(name, "host")) {
        ++hosts_;
        return std::all_of(value.begin(), value.end(), is_host_char) ? 0 : 400;
    }
    if (equal_ignoring_case(name, "content-length")) {
        if (++lengths_ != 1 || value.empty() || !std::all_of(value.begin(), value.end(), is_digit)) {
            return 400;
        }
        auto const parsed = std::from_chars(value.data(), value.data() + value.size(), length_);
        return parsed.ec == std::errc() && length_ <= std::uint64_t{std::numeric_limits<std::int64_t>::max()} ? 0 : 400;
    }
    if (equal_ignoring_case(name, "transfer-encoding")) {
        return check_transfer_encoding(value);
    }
    if (equal_ignoring_case(name, "connection")) {
        for_each_element(value, [this](std::string_view option) {
            asks_close_ = asks_close_ || equal_ignoring_case(option, "close");
            asks_keep_alive_ = asks_keep_alive_ || equal_ignoring_case(option, "keep-alive");
        });
        return 0;
    }
    if (equal_ignoring_case(name, "expect")) {
        expects_continue_ = equal_ignoring_case(value, "100-continue");
        return expects_continue_ ? 0 : 417;
    }
    return 0;
}

// Exactly one `chunked`. Another coding below it is one that we do not know; anything else leaves the length open.
int request_parser::check_transfer_encoding(std::string_view value) {
    if (has_transfer_encoding_) {
        return 400;
    }
    has_transfer_encoding_ = true;
    unsigned codings = 0;
    unsigned chunked = 0;
    bool last_is_chunked = false;
    for_each_element(value, [&](std::string_view coding) {
        ++codings;
        last_is_chunked = equal_ignoring_case(coding, "chunked");
        chunked += last_is_chunked ? 1 : 0;
    });
    if (chunked != 1 || !last_is_chunked) {
        return 400;
    }
    return codings == 1 ? 0 : 501;
}

// --- the body
// ----------------------------------------------------------------------------------------------------------

std::size_t request_parser::feed_length(char const* data, std::size_t size) {
    std::size_t const taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size));
    message_.body_.append(data, taken);
    left_ -= taken;
    if (left_ == 0) {
        stage_ = stage::complete;
    }
    return taken;
}

std::size_t request_parser::feed_chunked(char const* data, std::size_t size) {
    std::size_t i = 0;
    while (i < size && stage_ == stage::body) {
        if (chunk_ == in_chunk::data) {
            std::size_t const taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size - i));
            message_.body_.append(data + i, taken);
            i += taken;
            left_ -= taken;
            if (left_ == 0) {
                chunk_ = in_chunk::data_cr;
            }
        } else if (chunk_byte(data[i])) {
            ++i;
        } else if (stage_ != stage::failed) {
            fail(400);
        }
    }
    return i;
}

// One byte between the data. False: it must not stand there.
bool request_parser::chunk_byte(char c) {
    switch (chunk_) {
    case in_chunk::size: {
        char const lower = to_lower(c);
        bool const is_hex = is_digit(c) || (lower >= 'a' && lower <= 'f');
        if (is_hex) {
            if (size_digits_ == 0) {
                left_ = 0;
            }
            if (++size_digits_ > k_size_digits) {
                return false;
            }
            left_ = left_ * 16 + static_cast<unsigned>(is_digit(c) ? c - '0' : lower - 'a' + 10);
            if (left_ > limits_.max_body_bytes - message_.body_.size()) {
                fail(413);
                return false;
            }
            return true;
        }
        if (size_digits_ == 0 || (c != '\r' && c != ';')) {
            return false;
        }
        chunk_ = c == ';' ? in_chunk::extension : in_chunk::size_lf;
        size_digits_ = 0;  // from here on: of the extension's bytes
        return true;
    }
    case in_chunk::extension:
        if (c == '\r') {
            chunk_ = in_chunk::size_lf;
            return true;
        }
        return !is_control(c) && ++size_digits_ <= k_chunk_extension && ++extension_bytes_ <= k_all_extensions;
    case in_chunk::size_lf:
        chunk_ = left_ == 0 ? in_chunk::trailer : in_chunk::data;
        size_digits_ = 0;
        return c == '\n';
    case in_chunk::data_cr:
        chunk_ = in_chunk::data_lf;
        return c == '\r';
    case in_chunk::data_lf:
        chunk_ = in_chunk::size;
        return c == '\n';
    case in_chunk::trailer:
        if (++trailer_bytes_ > limits_.max_header_bytes) {
            fail(431);
            return false;
        }
        if (c == '\r') {
            chunk_ = in_chunk::last_lf;
            return true;
        }
        trailer_.push_back(c);
        return !is_control(c);
    case in_chunk::last_lf:
        return c == '\n' && end_of_trailer_line();
    case in_chunk::data:
        break;
    }
    return false;
}

// Trailers are checked, and dropped.
bool request_parser::end_of_trailer_line() {
    if (trailer_.empty()) {
        stage_ = stage::complete;
        return true;
    }
    std::string_view const line = trailer_;
    std::size_t const colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) ||
        is_framing_header(line.substr(0, colon)) || equal_ignoring_case(line.substr(0, colon), "host")) {
        return false;
    }
    if (++trailers_ > limits_.max_headers) {
        fail(431);
        return false;
    }
    trailer_.clear();
    chunk_ = in_chunk::trailer;
    return true;
}

}  // namespace coir::net::http
