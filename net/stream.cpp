// SPDX-License-Identifier: BSL-1.0
#include <coir/net/stream.hpp>

#include <coir/core/base/errors.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/mutex.hpp>

#include <algorithm>
#include <mutex>
#include <span>
#include <stdexcept>
#include <utility>

namespace coir::net {
namespace {

constexpr std::size_t k_read_size = 16 * 1024;

}  // namespace

struct stream::state {
    explicit state(tcp_stream c) : connection(std::move(c)) {}

    bool take_output();
    std::size_t unread() const noexcept { return input.size() - consumed; }
    std::string take(std::size_t n) {
        std::string taken = input.substr(consumed, n);
        consumed += taken.size();
        if (consumed == input.size()) {
            input.clear();
            consumed = 0;
        }
        return taken;
    }

    tcp_stream connection;
    // The reader's: input[consumed...] has arrived and was not read yet.
    std::string input;
    std::size_t consumed = 0;
    std::size_t limit = 64 * 1024;
    bool ended = false;
    // The writers', of whom there may be several: what is written goes to the back of `output`. One at a time drains: it
    // takes the whole output, and hands sending[sent...] to the system while others write on.
    // Guards output, is_draining and write_error. write() keeps it over a send that does not wait, so that nobody's bytes
    // overtake others': too long to spin for.
    std::mutex output_lock;
    std::string output;
    bool is_draining = false;
    std::error_code write_error;
    mutex drain_lock;  // guards sending and sent
    std::string sending;
    std::size_t sent = 0;

    event closed;
};

stream::stream() noexcept = default;
stream::stream(tcp_stream connection) : state_(std::make_unique<state>(std::move(connection))) {}
stream::stream(stream&&) noexcept = default;
stream& stream::operator=(stream&&) noexcept = default;
stream::~stream() = default;

stream::state& stream::checked() const {
    if (!state_) {
        throw invalid_state("coir::net::stream: empty (moved from, or never opened)");
    }
    return *state_;
}

tcp_stream& stream::connection() const {
    return checked().connection;
}

void stream::set_limit(std::size_t bytes) {
    checked().limit = bytes;
}

// Reads once more. False at the end of the stream. What a cancelled or failed read leaves behind is what was there
// before.
bool stream::fill() {
    state& s = *state_;
    if (s.ended) {
        return false;
    }
    if (s.consumed != 0) {
        s.input.erase(0, s.consumed);
        s.consumed = 0;
    }
    char buffer[k_read_size];
    std::size_t const count = s.connection.read_some(std::as_writable_bytes(std::span(buffer)));
    s.ended = count == 0;
    s.input.append(buffer, count);
    return count != 0;
}

std::string stream::read(std::ptrdiff_t n) {
    state& s = checked();
    if (n == 0) {
        return {};
    }
    if (n < 0) {
        while (fill()) {
        }
        return s.take(s.unread());
    }
    if (s.unread() == 0) {
        fill();
    }
    return s.take(static_cast<std::size_t>(n));
}

std::string stream::read_exactly(std::size_t n) {
    state& s = checked();
    while (s.unread() < n) {
        if (!fill()) {
            throw incomplete_read(s.take(s.unread()), n);
        }
    }
    return s.take(n);
}

std::string stream::read_until(std::string_view separator) {
    state& s = checked();
    if (separator.empty()) {
        throw std::invalid_argument("coir::net::stream::read_until: the separator is empty");
    }
    for (std::size_t searched = 0;;) {
        std::string_view const unread = std::string_view(s.input).substr(s.consumed);
        std::size_t const found = unread.find(separator, searched);
        if (std::min(found, unread.size()) > s.limit) {
            throw std::length_error("coir::net::stream: no separator within the limit of " + std::to_string(s.limit) +
                                    " bytes");
        }
        if (found != std::string_view::npos) {
            return s.take(found + separator.size());
        }
        // A part of the separator may have arrived.
        searched = unread.size() - std::min(unread.size(), separator.size() - 1);
        if (!fill()) {
            throw incomplete_read(s.take(s.unread()), 0);
        }
    }
}

std::string stream::read_line() {
    try {
        return read_until("\n");
    } catch (incomplete_read const& end) {
        return end.partial();
    }
}

bool stream::at_eof() const noexcept {
    return !state_ || (state_->ended && state_->unread() == 0);
}

void stream::write(std::string_view data) {
    state& s = checked();
    std::lock_guard const guard(s.output_lock);
    if (s.write_error) {
        return;
    }
    std::size_t taken = 0;
    if (!s.is_draining && s.output.empty() && !data.empty()) {
        std::error_code error;
        taken = s.connection.socket().write_now(data.data(), data.size(), error);
        if (error && error != std::errc::operation_would_block) {
            s.write_error = error;
            return;
        }
    }
    s.output.append(data.substr(taken));
}

// Takes over what was written: false if there is nothing left to send, or no way to.
bool stream::state::take_output() {
    std::lock_guard const guard(output_lock);
    if (sent == sending.size()) {
        sending.clear();
        sent = 0;
        sending.swap(output);
    }
    is_draining = !sending.empty() && !write_error;
    return is_draining;
}

void stream::drain() {
    state& s = checked();
    std::error_code error;
    {
        std::lock_guard const one_at_a_time(s.drain_lock);
        while (s.take_output()) {
            std::error_code failed;
            s.sent += s.connection.write_some(std::as_bytes(std::span(s.sending).subspan(s.sent)), failed);
            if (failed) {
                std::lock_guard const guard(s.output_lock);
                s.write_error = failed;
            }
        }
        std::lock_guard const guard(s.output_lock);
        error = s.write_error;
    }
    if (error) {
        coir::detail::throw_socket_error(error, "coir::net::stream: write");
    }
    coir::detail::throw_if_cancel_pending();
}

void stream::write_eof() {
    drain();
    state_->connection.shutdown(shutdown_type::send);
}

void stream::close() noexcept {
    if (!state_) {
        return;
    }
    state& s = *state_;
    if (s.drain_lock.try_lock()) {  // whoever drains at the moment finds the connection closed
        std::error_code error;
        while (!error && s.take_output()) {
            s.sent += s.connection.socket().write_now(s.sending.data() + s.sent, s.sending.size() - s.sent, error);
        }
        s.drain_lock.unlock();
    }
    s.connection.close();
    s.closed.set();
}

void stream::wait_closed() {
    checked().closed.wait();
}

bool stream::is_open() const noexcept {
    return state_ && state_->connection.is_open();
}

stream open_connection(std::string const& host, service const& port, connect_options options) {
    return stream(connect(host, port, options));
}

}  // namespace coir::net
