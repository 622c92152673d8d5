// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   stream            a connection with buffers: read, read_exactly, read_until, read_line, write, drain
//   open_connection   makes one

#include <coir/net/connect.hpp>
#include <coir/net/tcp_stream.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace coir::net {

/// asyncio's StreamReader and StreamWriter in one. One task may read while others write and drain. Move-only; the
/// destructor is close().
///
/// Reading and draining suspend the calling task (block a thread). They throw `cancelled`, with what has arrived kept
/// for the next call; timeout_error after set_timeout(); std::system_error when the connection breaks.
class stream {
public:
    stream() noexcept;
    explicit stream(tcp_stream connection);
    stream(stream&&) noexcept;
    stream& operator=(stream&&) noexcept;
    ~stream();

    /// What has arrived, at most `n` bytes; waits for at least one. Empty at the end of the stream. n < 0: all, to the
    /// end.
    std::string read(std::ptrdiff_t n = -1);
    /// Exactly `n` bytes. Throws incomplete_read with what there was, if the stream ends before.
    std::string read_exactly(std::size_t n);
    /// Up to and with `separator`. Throws incomplete_read (expected() is 0) if the stream ends before,
    /// std::length_error if there is none within the limit; what has arrived then stays to be read.
    /// std::invalid_argument: an empty separator.
    std::string read_until(std::string_view separator);
    /// A line with its "\n"; without one at the end of the stream, and empty behind that. Throws std::length_error.
    std::string read_line();
    /// Has the stream ended, and everything been read?
    bool at_eof() const noexcept;

    /// Sends what the system takes at once; a task of the runtime sends the rest as the peer takes it. (On a plain thread
    /// drain() does that.) Does not suspend, and reports nothing: drain() does, which should follow, as nothing else bounds
    /// what waits to be sent.
    void write(std::string_view data);
    /// Waits until everything written has been handed to the system. Throws std::system_error if it cannot be.
    void drain();
    /// Ends the direction to the peer, after what was written. Suspends as drain() does.
    void write_eof();
    /// Closes: at once, or when the rest of what was written has been sent. Whoever reads here, now or later, gets
    /// std::system_error (std::errc::operation_canceled or bad_file_descriptor), and not an end of the stream. (What only a plain thread has
    /// written is lost as far as the system does not take it now.) Idempotent. Does not suspend.
    void close() noexcept;
    /// Until the connection has been closed after a close() by this or another task. Suspends. Throws `cancelled`.
    void wait_closed();
    bool is_open() const noexcept;

    /// From now on each wait for the peer takes at most `d`. Zero or less: as long as it takes.
    template <class Rep, class Period>
    void set_timeout(std::chrono::duration<Rep, Period> const& d) {
        connection().set_timeout(d);
    }
    /// How much read_until() and read_line() may buffer. 64 KiB to begin with.
    void set_limit(std::size_t bytes);

    endpoint local_endpoint() const { return connection().local_endpoint(); }
    endpoint remote_endpoint() const { return connection().remote_endpoint(); }

    /// The connection below; what was read ahead stays here.
    tcp_stream& connection() const;

private:
    struct state;

public:
    /// For the library: what is left to do when the stream itself has gone.
    class remainder {
    public:
        explicit remainder(stream const& of) noexcept : state_(of.state_) {}
        remainder(remainder const&) = delete;
        remainder& operator=(remainder const&) = delete;
        /// Without wait(), or if that has thrown: what has been closed sends nothing any more.
        ~remainder();
        /// If it has been closed: until the rest has been sent. Throws `cancelled`.
        void wait();

    private:
        std::shared_ptr<state> state_;  // until there is nothing left to do
    };

private:
    state& checked() const;
    bool fill();

    std::shared_ptr<state> state_;
};

/// connect(), as a stream.
stream open_connection(std::string const& host, service const& port, connect_options options = {});

}  // namespace coir::net
