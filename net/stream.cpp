// SPDX-License-Identifier: BSL-1.0
#include <coir/net/stream.hpp>

#include <coir/core/base/errors.hpp>
#include <coir/core/task/task.hpp>
#include <coir/sync/event.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <span>
#include <stdexcept>
#include <utility>

namespace coir::net {
namespace {

constexpr std::size_t k_read_size = 16 * 1024;

}  // namespace

// Roles: the reader, one at a time; the writers, of whom there may be several; the sender, one at a time: a task of its own,
// or a drain() where there can be none.
//
// Invariants, under output_lock
//   1. Who has set has_sender sends until nothing is left, and clears it in the same step in which he finds that.
//   2. In a task, nothing waits to be sent without a sender.
//   3. `settled` is set if and only if there is none.
// The connection is closed by close(), or by the sender if there is one.
struct stream::state : std::enable_shared_from_this<state> {
    explicit state(tcp_stream c) : connection(std::move(c)) { settled.set(); }

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

    // Under output_lock.
    bool anything_to_send() const noexcept { return sent != sending.size() || !output.empty(); }
    void become_sender() noexcept {
        has_sender = true;
        settled.clear();
    }
    // Returns who closes the connection: the sender, if close() has come meanwhile.
    bool sender_leaves() noexcept {
        has_sender = false;
        settled.set();
        return closing;
    }

    struct sender_ticket;
    bool start_sender() noexcept;
    void sender_gives_up() noexcept;
    enum class step { send, leave, leave_and_close };
    step next_step();
    void send_all();
    void finish_close() noexcept {
        connection.close();
        closed.set();
    }

    tcp_stream connection;
    // The reader's: input[consumed...] has arrived and was not read yet.
    std::string input;
    std::size_t consumed = 0;
    std::size_t limit = 64 * 1024;
    bool ended = false;
    // Guards what follows. write() keeps it over a send that does not wait, so that nobody's bytes overtake others': too
    // long to spin for.
    std::mutex output_lock;
    std::string output;
    bool has_sender = false;
    bool sender_gave_up =
        false;  // cancelled, or not to be had: at the runtime's end the next task would be cancelled too
    std::error_code write_error;    // what ends the sending
    bool written_too_late = false;  // behind close(): refused, and no reason not to send what was written before
    // The sender's: it hands sending[sent...] to the system while others write on.
    std::string sending;
    std::size_t sent = 0;

    std::atomic<bool> closing{false};  // written under output_lock
    event settled;
    event closed;
};

stream::stream() noexcept = default;
stream::stream(tcp_stream connection) : state_(std::make_shared<state>(std::move(connection))) {}
stream::stream(stream&&) noexcept = default;
stream& stream::operator=(stream&& other) noexcept {
    stream moved(std::move(other));
    std::swap(state_, moved.state_);
    return *this;
}
stream::~stream() {
    close();
}

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
    if (s.closing) {
        coir::detail::throw_socket_error(std::make_error_code(std::errc::bad_file_descriptor),
                                         "coir::net::stream: read");
    }
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
    try {
        s.input.append(buffer, count);
    } catch (...) {
        s.connection.close();  // nobody shall read on behind a gap
        throw;
    }
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
    {
        std::lock_guard const guard(s.output_lock);
        if (s.closing) {
            s.written_too_late = true;
            return;
        }
        if (s.write_error || data.empty()) {
            return;
        }
        std::size_t taken = 0;
        if (!s.has_sender && !s.anything_to_send()) {
            std::error_code error;
            taken = s.connection.socket().write_now(data.data(), data.size(), error);
            if (error && error != std::errc::operation_would_block) {
                s.write_error = error;
                return;
            }
        }
        try {
            s.output.append(data.substr(taken));
        } catch (...) {
            if (taken != 0) {
                s.write_error = std::make_error_code(std::errc::not_enough_memory);  // the rest of it never comes
            }
            throw;
        }
        if (s.has_sender || !s.anything_to_send()) {
            return;
        }
        s.become_sender();
    }
    if (!s.start_sender()) {
        s.sender_gives_up();
    }
}

// The sender's task has this in its callable. One that is cancelled before it has started never runs, but its callable
// always ends.
struct stream::state::sender_ticket {
    explicit sender_ticket(std::shared_ptr<state> s) noexcept : of(std::move(s)) {}
    sender_ticket(sender_ticket const&) = delete;
    sender_ticket& operator=(sender_ticket const&) = delete;
    ~sender_ticket() {
        if (of) {
            of->sender_gives_up();
        }
    }
    std::shared_ptr<state> of;
};

// By who has become the sender: hands that on to a task. False on a plain thread, and without memory for a task.
bool stream::state::start_sender() noexcept {
    if (coir::detail::current_task_or_null() == nullptr) {
        return false;
    }
    std::shared_ptr<sender_ticket> ticket;
    try {
        ticket = std::make_shared<sender_ticket>(shared_from_this());
        spawn(task_options{.name = "stream-sender"}, [ticket] { std::exchange(ticket->of, nullptr)->send_all(); });
        return true;
    } catch (std::exception const&) {
        if (ticket) {
            ticket->of.reset();
        }
        return false;
    }
}

// What is left waits for the next write() or drain().
void stream::state::sender_gives_up() noexcept {
    bool closes = false;
    {
        std::lock_guard const guard(output_lock);
        sender_gave_up = true;
        closes = sender_leaves();
    }
    if (closes) {
        finish_close();
    }
}

// The sender takes over what was written. If there is nothing left to send, or no way to, he is the sender no longer.
stream::state::step stream::state::next_step() {
    std::lock_guard const guard(output_lock);
    if (sent == sending.size()) {
        sending.clear();
        sent = 0;
        sending.swap(output);
    }
    if (!sending.empty() && !write_error) {
        return step::send;
    }
    sender_gave_up = false;
    return sender_leaves() ? step::leave_and_close : step::leave;
}

// By the sender. Throws `cancelled` and std::bad_alloc, and what is left waits for the next one.
void stream::state::send_all() {
    step next = next_step();
    try {
        for (; next == step::send; next = next_step()) {
            std::error_code failed;
            sent += connection.write_some(std::as_bytes(std::span(sending).subspan(sent)), failed);
            if (failed) {
                std::lock_guard const guard(output_lock);
                write_error = failed;
            }
        }
    } catch (...) {
        sender_gives_up();
        throw;
    }
    if (next == step::leave_and_close) {
        finish_close();
    }
}

void stream::drain() {
    state& s = checked();
    for (;;) {
        bool mine = false;
        bool in_a_task = true;
        {
            std::lock_guard const guard(s.output_lock);
            if (s.write_error || s.written_too_late) {
                coir::detail::throw_socket_error(s.write_error ? s.write_error
                                                               : std::make_error_code(std::errc::bad_file_descriptor),
                                                 "coir::net::stream: write");
            }
            if (!s.has_sender && !s.anything_to_send()) {
                break;
            }
            mine = !s.has_sender;
            in_a_task = !s.sender_gave_up;
            if (mine) {
                s.become_sender();
            }
        }
        if (!mine || (in_a_task && s.start_sender())) {
            s.settled.wait();
        } else {
            s.send_all();  // on a plain thread, or where a task cannot
        }
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
    {
        std::lock_guard const guard(s.output_lock);
        if (s.closing.exchange(true)) {
            return;
        }
        if (s.has_sender) {
            std::error_code gone;
            s.connection.shutdown(shutdown_type::receive, gone);  // whoever reads has come to the end
            return;
        }
        s.become_sender();
    }
    while (s.next_step() == state::step::send) {
        std::error_code error;
        s.sent += s.connection.socket().write_now(s.sending.data() + s.sent, s.sending.size() - s.sent, error);
        if (error) {
            std::lock_guard const guard(s.output_lock);
            s.write_error = error;
        }
    }
    s.finish_close();
}

void stream::wait_closed() {
    checked().closed.wait();
}

void stream::remainder::wait() {
    if (state_ && state_->closing) {
        state_->closed.wait();
    }
    state_.reset();
}

stream::remainder::~remainder() {
    if (state_ && state_->closing) {
        state_->connection.close();
    }
}

bool stream::is_open() const noexcept {
    return state_ && !state_->closing && state_->connection.is_open();
}

stream open_connection(std::string const& host, service const& port, connect_options options) {
    return stream(connect(host, port, options));
}

}  // namespace coir::net
