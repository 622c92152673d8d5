// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   server           routes, listen, serve_forever, drain
//   server_options   limits and time-outs (options.hpp)

#include <coir/core/base/clock.hpp>
#include <coir/net/endpoint.hpp>
#include <coir/net/http/message.hpp>
#include <coir/net/http/options.hpp>
#include <coir/net/http/response_writer.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace coir::net::http {

/// An HTTP/1.1 server: a task for each connection, which reads strictly, keeps connections alive and answers pipelined
/// requests in their order. Not movable. The destructor drains without patience.
class server {
public:
    explicit server(server_options options = {});
    server(server const&) = delete;
    server& operator=(server const&) = delete;
    ~server();

    /// Answers `method` on `pattern` by `handler`, a `response(request const&)` or a `void(request&,
    /// response_writer&)`, which runs in the connection's task; several at once. In the pattern `{name}` stands for one
    /// segment of the path, and `{name...}` at its end for all the rest. Segments in plain text go before `{name}`,
    /// that before `{name...}`. GET also answers HEAD. An exception of the handler is answered with 500 and reaches
    /// on_unhandled_exception. Before listen(): else throws invalid_state. Throws std::invalid_argument for patterns
    /// that are none or are taken.
    template <class Handler>
    void route(std::string_view method, std::string_view pattern, Handler handler) {
        if constexpr (std::is_invocable_r_v<response, Handler&, request const&>) {
            add(method, pattern, whole_handler(std::move(handler)), nullptr);
        } else {
            static_assert(std::is_invocable_v<Handler&, request&, response_writer&>,
                          "coir::net::http::server::route: the handler must be response(request const&) or "
                          "void(request&, response_writer&)");
            add(method, pattern, nullptr, streaming_handler(std::move(handler)));
        }
    }

    /// Starts to serve on `host` and `port` (0: any that is free, see port()). In a task: else throws
    /// no_running_runtime. Throws std::system_error when the port is in use, invalid_state when it listens already.
    /// Suspends only to resolve a name.
    void listen(std::string const& host, service const& port);
    /// Throws invalid_state before listen().
    std::uint16_t port() const;
    endpoint local_endpoint() const;
    /// Connections that are open now.
    std::size_t connections() const noexcept;
    /// Requests answered since listen().
    std::uint64_t requests() const noexcept;

    /// Waits until the server has been drained. Suspends the calling task (blocks a thread). A cancellation is passed
    /// on as it is: the server goes on until it is drained or destroyed.
    void serve_forever();
    /// Stops accepting, closes the connections that are idle, lets those requests end that have come in full, and
    /// cancels what is left after `d`. Waits for all that. Any task or thread. Suspends.
    template <class Rep, class Period>
    void drain(std::chrono::duration<Rep, Period> const& d) {
        drain_until(coir::detail::deadline_after(clock::now(), d));
    }

private:
    friend class connection;
    using whole_handler = std::function<response(request const&)>;
    using streaming_handler = std::function<void(request&, response_writer&)>;
    struct state;

    void add(std::string_view method, std::string_view pattern, whole_handler whole, streaming_handler streaming);
    void drain_until(clock::time_point deadline);

    std::shared_ptr<state> state_;
};

}  // namespace coir::net::http
