// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   resolve(host, port, transport)   the endpoints that a name stands for
//   transport                        what its service is for

#include <coir/net/endpoint.hpp>

#include <string>
#include <vector>

namespace coir::net {

/// A service may have another port for datagrams, or none.
enum class transport : unsigned char { tcp, udp };

/// The endpoints of `host` and `port`, in the system's order of preference; never empty. Addresses in digits and
/// "localhost" are answered at once; names by the system's resolver, on the default thread pool, so that it suspends
/// the calling task alone (blocks a thread). Throws std::system_error when there is none, with the resolver's category,
/// and `cancelled`.
std::vector<endpoint> resolve(std::string const& host, service const& port, transport way = transport::tcp);

}  // namespace coir::net
