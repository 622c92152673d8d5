// SPDX-License-Identifier: BSL-1.0
#include "net/http/connection_impl.hpp"

#include "core/task/task_events.hpp"
#include "net/http/text_impl.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/task/task_ref.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <span>
#include <stdexcept>
#include <utility>

namespace coir::net::http {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t k_input_size = 16 * 1024;
// Answers to pipelined requests gather up to here. Guessed.
constexpr std::size_t k_output_size = 64 * 1024;
// How long, and how much, a client may still send that is told that the connection ends: without reading that, the
// system would reset the connection, and the last answer might be lost on its way.
constexpr auto k_farewell = 2s;
constexpr std::size_t k_farewell_bytes = 4 * 1024 * 1024;

std::string_view reason_of(int status) noexcept {
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 301:
        return "Moved Permanently";
    case 302:
        return "Found";
    case 303:
        return "See Other";
    case 304:
        return "Not Modified";
    case 307:
        return "Temporary Redirect";
    case 308:
        return "Permanent Redirect";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 410:
        return "Gone";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 416:
        return "Range Not Satisfiable";
    case 417:
        return "Expectation Failed";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "";
    }
}

constexpr bool has_no_body(int status) noexcept {
    return status == 204 || status == 304;
}

template <class Number>
void append_number(std::string& to, Number number, int base = 10) {
    char digits[24];
    auto const end = std::to_chars(digits, digits + sizeof digits, number, base).ptr;
    to.append(digits, end);
}

}  // namespace

connection::connection(server::state& home, tcp_stream peer)
    : home_(home), peer_(std::make_shared<tcp_stream>(std::move(peer))), parser_(home.options),
      input_(new char[k_input_size]), head_since_(clock::now()) {
    std::error_code unknown;  // the client may be gone already
    parser_.message().remote_ = peer_->socket().remote_endpoint(unknown);
    home_.enter(*this);
}

connection::~connection() {
    home_.leave(*this);
}

void connection::run() {
    while (keep_ && !broken_) {
        if (!take_input()) {
            flush();
            if (!broken_ && !read_more()) {
                break;
            }
        }
    }
    flush();
    if (!broken_ && !read_ended_) {
        end_gently();
    }
}

// Takes what lies in the buffer, up to the end of one request. False: more is needed.
bool connection::take_input() {
    while (begin_ != end_) {
        begin_ += parser_.feed(input_.get() + begin_, end_ - begin_);
        switch (parser_.where()) {
        case request_parser::stage::complete:
            answer();
            parser_.reset();
            invited_ = false;
            return true;
        case request_parser::stage::failed:
            answer_error(parser_.status(), false);
            return true;
        case request_parser::stage::body:
            if (begin_ == end_) {
                invite_body();
            }
            break;
        case request_parser::stage::head:
            break;
        }
    }
    return false;
}

void connection::invite_body() {
    if (parser_.expects_continue() && !std::exchange(invited_, true)) {
        output_.append("HTTP/1.1 100 Continue\r\n\r\n");
    }
}

// The next part has to come within body_timeout, and all parts at a rate that is no trickle.
clock::time_point connection::body_deadline(clock::time_point now) {
    server_options const& o = home_.options;
    if (body_since_ == clock::time_point{}) {
        body_since_ = now;
    }
    auto const next_part = coir::detail::deadline_after(now, o.body_timeout);
    if (o.min_body_rate == 0) {
        return next_part;
    }
    using seconds = std::chrono::duration<double>;
    auto const have = static_cast<double>(parser_.message().body().size());
    return std::min(next_part,
                    coir::detail::deadline_after(
                        body_since_, seconds(o.body_timeout) + seconds(have / static_cast<double>(o.min_body_rate))));
}

// Says how long the next read may take, and whether a drain may cut it short.
void connection::begin_wait() {
    auto const now = clock::now();
    bool const in_body = parser_.where() == request_parser::stage::body;
    auto deadline = clock::time_point::max();
    if (in_body) {
        deadline = body_deadline(now);
    } else if (parser_.at_start() && head_since_ == clock::time_point{}) {
        deadline = coir::detail::deadline_after(now, home_.options.idle_timeout);
    } else {
        if (head_since_ == clock::time_point{}) {
            head_since_ = now;
        }
        deadline = coir::detail::deadline_after(head_since_, home_.options.header_timeout);
    }
    deadline_.store(deadline.time_since_epoch().count(), std::memory_order_relaxed);
    if (!in_body) {
        // seq_cst, with the load below: pairs with the drain, which first announces itself and then looks here.
        may_be_ended_.store(true, std::memory_order_seq_cst);
        if (home_.is_draining()) {
            end_reading();
        }
    }
}

// False: nothing more comes.
bool connection::read_more() {
    begin_wait();
    std::error_code error;
    std::size_t const count = peer_->socket().read_some(input_.get(), k_input_size, coir::detail::k_never, error);
    may_be_ended_.store(false, std::memory_order_relaxed);
    deadline_.store(0, std::memory_order_relaxed);
    begin_ = 0;
    end_ = count;
    if (count != 0) {
        return true;
    }
    keep_ = false;
    if (error) {
        broken_ = true;
    } else if (is_late_.load(std::memory_order_relaxed) && !parser_.at_start()) {
        answer_error(408, false);
    } else {
        read_ended_ = true;
    }
    return false;
}

void connection::end_reading() noexcept {
    std::error_code gone;  // then the read says so
    peer_->shutdown(shutdown_type::receive, gone);
}

// Whether the connection goes on after the answer to the present request. In a drain it does as long as there are
// requests that have come already.
bool connection::stays_open() {
    if (!parser_.keep_alive() || is_late_.load(std::memory_order_relaxed)) {
        return false;
    }
    if (!home_.is_draining() || begin_ != end_) {
        return true;
    }
    end_reading();
    std::error_code error;
    begin_ = 0;
    end_ = peer_->socket().read_some(input_.get(), k_input_size, coir::detail::k_never, error);
    return end_ != 0;
}

// --- answers
// -----------------------------------------------------------------------------------------------------------

void connection::answer() {
    head_since_ = {};
    body_since_ = {};
    home_.requests.fetch_add(1, std::memory_order_relaxed);
    auto const found = home_.routes.find(parser_.message());
    if (found.handler == nullptr) {
        answer_error(found.status, stays_open(), found.allow);
        return;
    }
    if (found.handler->whole) {
        answer_whole(*found.handler);
    } else {
        answer_streaming(*found.handler);
    }
    if (output_.size() >= k_output_size) {
        flush();
    }
}

namespace {

// A handler's failure is the handler's: it is reported, and the connection goes on.
void report(std::exception_ptr const& error) noexcept {
    auto& task = *coir::detail::current_task_or_null();
    coir::detail::report_unretrieved(task, task.home_number(), error);
}

// Is it this connection that is cancelled, or only something that its handler awaited?
bool is_cancelled_itself() noexcept {
    return coir::detail::current_task_or_null()->cancelling() != 0;
}

}  // namespace

// While it lives, the handler of a pipelined request runs: the answers to the requests before it do not wait for it, but
// go out before it suspends.
class connection::flush_before_suspension : coir::detail::suspension_hook {
public:
    explicit flush_before_suspension(connection& owner) noexcept : owner_(owner) {
        if (!owner_.output_.empty()) {
            call = [](suspension_hook& self) noexcept {
                static_cast<flush_before_suspension&>(self).owner_.write_what_the_system_takes();
            };
            coir::detail::current_task_or_null()->call_before_suspension(this);
        }
    }
    flush_before_suspension(flush_before_suspension const&) = delete;
    flush_before_suspension& operator=(flush_before_suspension const&) = delete;
    ~flush_before_suspension() { coir::detail::current_task_or_null()->call_before_suspension(nullptr); }

private:
    connection& owner_;
};

// Calls what a handler does, and returns its failure, if any. Throws only when the connection itself is cancelled.
// Nothing is waited for in the catch blocks: what is done about a failure comes after them.
template <class Handler>
std::exception_ptr connection::run_handler(Handler handler) {
    try {
        flush_before_suspension const others_first(*this);
        handler();
        return nullptr;
    } catch (cancelled const&) {
        if (is_cancelled_itself()) {
            throw;
        }
        return std::current_exception();
    } catch (...) {
        return std::current_exception();
    }
}

void connection::answer_whole(route_handler const& route) {
    response made;
    std::exception_ptr const failure = run_handler([&] {
        made = route.whole(std::as_const(parser_.message()));
        if (!is_valid(made)) {
            throw std::invalid_argument("coir::net::http: a response's status or header is not allowed");
        }
    });
    bool const keep = stays_open();
    if (failure) {
        report(failure);
        answer_error(500, keep);
    } else {
        keep_ = keep;
        append_response(made, keep);
    }
}

void connection::answer_streaming(route_handler const& route) {
    response_writer writer(*this);
    std::exception_ptr const failure = run_handler([&] {
        route.streaming(parser_.message(), writer);
        writer.finish();
    });
    if (!failure) {
        return;
    }
    if (!broken_) {  // the client's leaving is no failure of the handler's
        report(failure);
    }
    if (writer.head_sent_) {
        broken_ = true;
    } else {
        answer_error(500, stays_open());
    }
}

void connection::answer_error(int status, bool keep, std::string_view allow) {
    response r{status, std::string(reason_of(status)) + "\n"};
    if (!allow.empty()) {
        r.set_header("Allow", std::string(allow));
    }
    keep_ = keep;
    append_response(r, keep);
}

bool connection::is_valid(response const& r) const noexcept {
    return r.status >= 200 && r.status <= 999 && is_field_value(r.content_type) &&
           std::all_of(r.headers.begin(), r.headers.end(), [](auto const& h) {
               return is_token(h.first) && is_field_value(h.second) && !is_framing_header(h.first);
           });
}

void connection::append_response(response const& r, bool keep) {
    append_head(r, r.body.size(), !has_no_body(r.status), false, keep);
    if (parser_.message().method() != "HEAD" && !has_no_body(r.status)) {
        output_.append(r.body);
    }
}

void connection::append_head(response const& r, std::uint64_t length, bool has_length, bool chunked, bool keep) {
    if (r.status == 200) {
        output_.append("HTTP/1.1 200 OK\r\n");
    } else {
        output_.append("HTTP/1.1 ");
        append_number(output_, r.status);
        output_.push_back(' ');
        output_.append(reason_of(r.status)).append("\r\n");
    }
    append_date();
    if (!r.content_type.empty() && !has_no_body(r.status)) {
        output_.append("Content-Type: ").append(r.content_type).append("\r\n");
    }
    for (auto const& [name, value] : r.headers) {
        output_.append(name).append(": ").append(value).append("\r\n");
    }
    if (has_length) {
        output_.append("Content-Length: ");
        append_number(output_, length);
        output_.append("\r\n");
    } else if (chunked) {
        output_.append("Transfer-Encoding: chunked\r\n");
    }
    if (!keep) {
        output_.append("Connection: close\r\n");
    } else if (parser_.message().version_minor() == 0) {
        output_.append("Connection: keep-alive\r\n");
    }
    output_.append("\r\n");
}

void connection::append_date() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != date_second_) {
        // Not strftime: that speaks the locale's language.
        static constexpr char k_days[] = "SunMonTueWedThuFriSat";
        static constexpr char k_months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        std::tm parts{};
        ::gmtime_r(&now.tv_sec, &parts);
        char text[96];
        std::snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", k_days + parts.tm_wday * 3,
                      parts.tm_mday, k_months + parts.tm_mon * 3, parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                      parts.tm_sec);
        std::copy_n(text, sizeof date_ - 1, date_);
        date_second_ = now.tv_sec;
    }
    output_.append("Date: ").append(date_).append("\r\n");
}

// --- the socket
// --------------------------------------------------------------------------------------------------------

void connection::flush() {
    if (output_.empty() || broken_) {
        return;
    }
    coir::detail::current_task_or_null()->call_before_suspension(nullptr);
    std::error_code error;
    auto& socket = peer_->socket();
    std::size_t sent = socket.write_now(output_.data(), output_.size(), error);
    if (error == std::errc::operation_would_block) {
        error.clear();
    }
    try {
        while (!error && sent < output_.size()) {
            auto const deadline = coir::detail::deadline_after(clock::now(), home_.options.write_timeout);
            sent += socket.write_some(output_.data() + sent, output_.size() - sent, deadline, error);
        }
    } catch (...) {
        output_.erase(0, sent);  // a handler that goes on writes behind what the client has
        throw;
    }
    broken_ = static_cast<bool>(error);
    write_error_ = error;
    if (output_.capacity() > 4 * k_output_size) {
        output_ = std::string();
    }
    output_.clear();
}

// What fails here fails again in flush().
void connection::write_what_the_system_takes() noexcept {
    std::error_code error;
    output_.erase(0, peer_->socket().write_now(output_.data(), output_.size(), error));
}

// The server ends the connection, and the client may not know yet.
void connection::end_gently() {
    std::error_code error;
    peer_->shutdown(shutdown_type::send, error);
    auto const deadline = coir::detail::deadline_after(clock::now(), k_farewell);
    for (std::size_t left = k_farewell_bytes; !error && left != 0;) {
        std::size_t const count = peer_->socket().read_some(input_.get(), k_input_size, deadline, error);
        if (count == 0) {
            return;
        }
        left -= std::min(left, count);
    }
}

// --- answers in parts
// --------------------------------------------------------------------------------------------------

namespace {

void refuse_if(bool head_sent) {
    if (head_sent) {
        throw invalid_state("coir::net::http::response_writer: the head has been sent already");
    }
}

}  // namespace

response_writer& response_writer::set_status(int status) {
    refuse_if(head_sent_);
    head_.status = status;
    return *this;
}

response_writer& response_writer::set_content_type(std::string type) {
    return set_header("Content-Type", std::move(type));
}

response_writer& response_writer::set_header(std::string name, std::string value) {
    refuse_if(head_sent_);
    head_.set_header(std::move(name), std::move(value));
    return *this;
}

response_writer& response_writer::set_content_length(std::uint64_t bytes) {
    refuse_if(head_sent_);
    has_length_ = true;
    length_ = bytes;
    return *this;
}

void response_writer::send_head() {
    if (std::exchange(head_sent_, true)) {
        return;
    }
    if (!to_.is_valid(head_)) {
        head_sent_ = false;
        throw std::invalid_argument("coir::net::http: a response's status or header is not allowed");
    }
    bool const old_client = to_.parser_.message().version_minor() == 0;
    bool const bodiless = has_no_body(head_.status);
    chunked_ = !has_length_ && !old_client && !bodiless;
    to_.keep_ = to_.stays_open() && (has_length_ || chunked_ || bodiless);
    to_.append_head(head_, length_, has_length_ && !bodiless, chunked_, to_.keep_);
    if (bodiless || to_.parser_.message().method() == "HEAD") {
        chunked_ = false;
    }
}

void response_writer::write(std::string_view part) {
    send_head();
    if (part.empty()) {
        return;
    }
    if (has_length_ && part.size() > length_ - written_) {
        throw std::length_error("coir::net::http::response_writer: more than the content length");
    }
    written_ += part.size();
    if (to_.parser_.message().method() != "HEAD" && !has_no_body(head_.status)) {
        if (chunked_) {
            append_number(to_.output_, part.size(), 16);
            to_.output_.append("\r\n");
        }
        to_.output_.append(part);
        if (chunked_) {
            to_.output_.append("\r\n");
        }
    }
    to_.flush();
    if (to_.broken_) {
        coir::detail::throw_socket_error(to_.write_error_ ? to_.write_error_
                                                          : std::make_error_code(std::errc::connection_aborted),
                                         "coir::net::http::response_writer: the client is gone, or takes nothing");
    }
}

void response_writer::finish() {
    send_head();
    if (chunked_) {
        to_.output_.append("0\r\n\r\n");
    }
    if (has_length_ && written_ < length_ && to_.parser_.message().method() != "HEAD" && !has_no_body(head_.status)) {
        throw std::length_error("coir::net::http::response_writer: less than the content length");
    }
}

}  // namespace coir::net::http
