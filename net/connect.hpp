// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   connect(host, port, options)   a connection to the first address of a name that answers

#include <coir/net/tcp_stream.hpp>

#include <chrono>
#include <string>

namespace coir::net {

/// How a connection is made. Every member has a default.
struct connect_options {
    /// For everything together, the look-up of the name included. Zero: as long as it takes.
    std::chrono::nanoseconds timeout = std::chrono::seconds(30);
    /// How long one address is tried alone before the next one is tried beside it.
    std::chrono::nanoseconds attempt_delay = std::chrono::milliseconds(250);
};

/// Resolves `host` and connects to `port`, a number or a service name. Of several addresses, IPv6 and IPv4 in turn, the
/// first one to answer wins (RFC 8305). Suspends the calling task (blocks a thread, which tries them one after
/// another). Throws timeout_error, `cancelled`, and std::system_error: of several failures the first.
tcp_stream connect(std::string const& host, service const& port, connect_options options = {});

}  // namespace coir::net
