// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   udp_socket   datagrams: send_to, receive_from

#include <coir/core/base/clock.hpp>
#include <coir/net/endpoint.hpp>
#include <coir/net/socket.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

namespace coir::net {

/// A socket for UDP. Several tasks may send and receive at once; close() may come from anywhere, and whoever waits then
/// gets std::errc::operation_canceled. Move-only; the destructor closes.
///
/// Of each call the overload with `error` reports failures there, the other one throws them: timeout_error for
/// std::errc::timed_out, std::system_error for the rest. Both throw `cancelled`, before anything was sent or received.
class udp_socket {
public:
    udp_socket() noexcept = default;
    /// Bound to `host` (an address, a name, or empty for all of the machine's) and `port` (0: any that is free). It sends
    /// to addresses of the same family. A name is resolved, which suspends. Throws std::system_error.
    udp_socket(std::string const& host, service const& port);
    udp_socket(udp_socket&&) noexcept = default;
    udp_socket& operator=(udp_socket&&) noexcept = default;

    /// Sends one datagram; an empty one too. Suspends while the system has no room.
    std::size_t send_to(std::span<std::byte const> datagram, endpoint const& receiver, std::error_code& error) {
        return socket_.send_to(datagram.data(), datagram.size(), receiver, deadline(), error);
    }
    std::size_t send_to(std::span<std::byte const> datagram, endpoint const& receiver);
    /// Waits for a datagram, and says who has sent it. 0: an empty one. One that is larger than the buffer is
    /// std::errc::message_size, and its beginning stands in the buffer. Suspends the calling task (blocks a thread).
    std::size_t receive_from(std::span<std::byte> buffer, endpoint& sender, std::error_code& error) {
        return socket_.receive_from(buffer.data(), buffer.size(), sender, deadline(), error);
    }
    std::size_t receive_from(std::span<std::byte> buffer, endpoint& sender);

    /// From now on each call takes at most `d`. Zero or less: as long as it takes. Throws std::invalid_argument if `d` is not a
    /// number.
    template <class Rep, class Period>
    void set_timeout(std::chrono::duration<Rep, Period> const& d) {
        timeout_ = d <= d.zero() ? clock::duration::max()
                                 : coir::detail::deadline_after(clock::time_point{}, d) - clock::time_point{};
    }
    /// Idempotent. Does not suspend.
    void close() noexcept { socket_.close(); }
    bool is_open() const noexcept { return socket_.is_open(); }

    std::uint16_t port() const { return local_endpoint().port(); }
    endpoint local_endpoint() const;

private:
    clock::time_point deadline() const noexcept {
        return timeout_ == clock::duration::max() ? coir::detail::k_never
                                                  : coir::detail::deadline_after(clock::now(), timeout_);
    }

    coir::detail::socket_handle socket_;
    clock::duration timeout_ = clock::duration::max();
};

}  // namespace coir::net
