// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   tcp_stream      a TCP connection: read_some, write_some, shutdown, close
//   shutdown_type   which direction of it to end
//   teardown        ends it for Boost.Beast's WebSocket

#include <coir/core/base/clock.hpp>
#include <coir/net/buffers.hpp>
#include <coir/net/endpoint.hpp>
#include <coir/net/socket.hpp>

#include <chrono>
#include <cstddef>
#include <span>
#include <system_error>

// Boost's headers are left to those who use Boost.
namespace boost::system {
class error_code;
}
namespace boost::asio {
class any_io_executor;
}
namespace boost::beast {
enum class role_type;
}

namespace coir::net {

enum class shutdown_type : unsigned char { receive, send, both };

/// A TCP connection. Reading and writing may go on at once, in two tasks; close() may come from anywhere, and whoever
/// waits in another call then gets std::errc::operation_canceled. SIGPIPE is never raised: writing to a connection that
/// the peer has closed is std::errc::broken_pipe. Move-only; the destructor closes.
///
/// Of each call the overload with `error` reports failures there, the other one throws them: timeout_error for
/// std::errc::timed_out, std::system_error for the rest. Both throw `cancelled`, before anything was read or written.
///
/// A SyncReadStream and SyncWriteStream of Boost.Asio too, for its read(), write() and ssl::stream, and for Boost.Beast.
/// The overloads that take its buffers report what Asio's sockets would: the end of the stream is
/// boost::asio::error::eof, a time-out boost::asio::error::timed_out, and what is thrown boost::system::system_error.
class tcp_stream {
public:
    tcp_stream() noexcept = default;
    tcp_stream(tcp_stream&&) noexcept = default;
    tcp_stream& operator=(tcp_stream&&) noexcept = default;

    /// Reads what is there, at least one byte and at most buffer.size(). 0: the peer has ended its direction (or the
    /// buffer is empty). Suspends the calling task (blocks a thread).
    std::size_t read_some(std::span<std::byte> buffer, std::error_code& error) {
        return socket_.read_some(buffer.data(), buffer.size(), deadline(), error);
    }
    std::size_t read_some(std::span<std::byte> buffer);

    /// Writes as much as the system takes, at least one byte. Suspends while its buffer is full.
    std::size_t write_some(std::span<std::byte const> buffer, std::error_code& error) {
        return socket_.write_some(buffer.data(), buffer.size(), deadline(), error);
    }
    std::size_t write_some(std::span<std::byte const> buffer);

    /// Asio's: a sequence of buffers, filled in its order, or written.
    template <mutable_buffers Buffers>
    std::size_t read_some(Buffers const& buffers, boost::system::error_code& error) {
        return read_slices(detail::slices_of(buffers), &error);
    }
    template <mutable_buffers Buffers>
    std::size_t read_some(Buffers const& buffers) {
        return read_slices(detail::slices_of(buffers), nullptr);
    }
    template <const_buffers Buffers>
    std::size_t write_some(Buffers const& buffers, boost::system::error_code& error) {
        return write_slices(detail::slices_of(buffers), &error);
    }
    template <const_buffers Buffers>
    std::size_t write_some(Buffers const& buffers) {
        return write_slices(detail::slices_of(buffers), nullptr);
    }
    /// For those who ask a stream where its handlers run; of coir nothing runs there. What is posted to it runs on one
    /// thread of the process's own, no worker, which is started with the first call of this.
    using executor_type = boost::asio::any_io_executor;
    executor_type get_executor() const;
    using lowest_layer_type = tcp_stream;
    lowest_layer_type& lowest_layer() noexcept { return *this; }
    lowest_layer_type const& lowest_layer() const noexcept { return *this; }

    /// Writes all of it, unless there is an error: then less. A cancellation may leave a part written.
    std::size_t write(std::span<std::byte const> buffer, std::error_code& error) {
        return socket_.write_all(buffer.data(), buffer.size(), deadline(), error);
    }
    std::size_t write(std::span<std::byte const> buffer);

    /// From now on each call takes at most `d`. Zero or less: as long as it takes. Throws std::invalid_argument if `d` is not a
    /// number.
    template <class Rep, class Period>
    void set_timeout(std::chrono::duration<Rep, Period> const& d) {
        timeout_ = d <= d.zero() ? clock::duration::max()
                                 : coir::detail::deadline_after(clock::time_point{}, d) - clock::time_point{};
    }

    /// Ends one direction or both; the peer reads the end of the stream after what was written. Does not suspend.
    void shutdown(shutdown_type what, std::error_code& error) noexcept;
    void shutdown(shutdown_type what = shutdown_type::send);
    void shutdown(shutdown_type what, boost::system::error_code& error) noexcept;
    /// Idempotent. Does not suspend.
    void close() noexcept { socket_.close(); }
    void close(std::error_code& error) noexcept;
    void close(boost::system::error_code& error) noexcept;
    bool is_open() const noexcept { return socket_.is_open(); }

    endpoint local_endpoint() const;
    endpoint remote_endpoint() const;
    endpoint local_endpoint(std::error_code& error) const noexcept { return socket_.local_endpoint(error); }
    endpoint remote_endpoint(std::error_code& error) const noexcept { return socket_.remote_endpoint(error); }
    /// What is sent leaves at once, small as it may be. On to begin with.
    void set_no_delay(bool on);

    // For the library.
    explicit tcp_stream(coir::detail::socket_handle connected) noexcept : socket_(std::move(connected)) {}
    coir::detail::socket_handle& socket() noexcept { return socket_; }

private:
    clock::time_point deadline() const noexcept {
        return timeout_ == clock::duration::max() ? coir::detail::k_never
                                                  : coir::detail::deadline_after(clock::now(), timeout_);
    }

    // An error is thrown if there is no `error`.
    std::size_t read_slices(detail::slices const& to, boost::system::error_code* error);
    std::size_t write_slices(detail::slices const& from, boost::system::error_code* error);

    coir::detail::socket_handle socket_;
    clock::duration timeout_ = clock::duration::max();
};

/// What Beast's WebSocket calls at the end of its closing handshake: ends the direction to the peer, reads on to the peer's
/// end, and closes. Suspends. Throws `cancelled`.
void teardown(boost::beast::role_type role, tcp_stream& stream, boost::system::error_code& error);

}  // namespace coir::net
