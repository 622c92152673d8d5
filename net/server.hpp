// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   start_server(handler, host, port, options)   a task for each connection   -> server
//   server                                       the handle: port, serve_forever, close, drain

#include <coir/core/base/clock.hpp>
#include <coir/net/endpoint.hpp>
#include <coir/net/stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace coir::net {

/// How a server is set up. Every member has a default.
struct server_options {
    /// Connections that wait to be accepted, at most; the system may have a lower limit.
    int backlog = 4096;
    /// Connections served at once, at most; those beyond wait to be accepted.
    std::size_t max_connections = 100'000;
};

namespace detail_server {
class connections;
}

/// A server that runs. Move-only; all members may be called from any task or thread. The destructor is drain(0): it
/// stops accepting, cancels the handlers and waits for them.
class server {
public:
    server() noexcept;
    server(server&&) noexcept;
    server& operator=(server&&) noexcept;
    ~server();

    std::uint16_t port() const;
    endpoint local_endpoint() const;
    /// Handlers that run now.
    std::size_t connections() const noexcept;

    /// Waits until the server has been closed and its last handler has ended. Suspends the calling task (blocks a
    /// thread). A cancellation closes the server.
    void serve_forever();
    /// Stops accepting; the handlers run on. Idempotent. Does not suspend.
    void close();
    /// Stops accepting, gives the handlers `d` to end, then cancels them, and waits for their end. Suspends.
    template <class Rep, class Period>
    void drain(std::chrono::duration<Rep, Period> const& d) {
        drain_until(coir::detail::deadline_after(clock::now(), d));
    }

    // For the library.
    explicit server(std::shared_ptr<detail_server::connections> c) noexcept;

private:
    void drain_until(clock::time_point deadline);
    detail_server::connections& checked() const;

    std::shared_ptr<detail_server::connections> connections_;
};

namespace detail_server {
server start(std::function<void(stream)> handler, std::string const& host, service const& port,
             server_options const& options);
}

/// Listens on `host` and `port` (0: any that is free, see server::port()) and calls `handler(stream)` or
/// `handler(stream&)` in a task of its own for each connection, which is closed when it returns. An exception of it
/// closes its connection, reaches on_unhandled_exception, and ends nothing else. Throws std::system_error when the port
/// is in use, no_running_runtime outside of a task. Suspends only to resolve a name.
template <class Handler>
server start_server(Handler handler, std::string const& host, service const& port, server_options options = {}) {
    static_assert(std::is_invocable_v<Handler&, stream&> || std::is_invocable_v<Handler&, stream>,
                  "coir::net::start_server: the handler must take a stream or a stream&");
    auto shared = std::make_shared<Handler>(std::move(handler));
    return detail_server::start(
        [shared](stream accepted) {
            stream::remainder rest(accepted);  // ends after the stream
            stream peer(std::move(accepted));
            if constexpr (std::is_invocable_v<Handler&, stream&>) {
                std::invoke(*shared, peer);
                if (peer.is_open()) {
                    peer.drain();
                }
            } else {
                std::invoke(*shared, std::move(peer));
            }
            rest.wait();
        },
        host, port, options);
}

}  // namespace coir::net
