// SPDX-License-Identifier: BSL-1.0
#pragma once

// Sockets, streams and HTTP. Link coir::net.

#include <coir/net/buffers.hpp>
#include <coir/net/connect.hpp>
#include <coir/net/endpoint.hpp>
#include <coir/net/http/message.hpp>
#include <coir/net/http/server.hpp>
#include <coir/net/readiness.hpp>
#include <coir/net/resolve.hpp>
#include <coir/net/server.hpp>
#include <coir/net/stream.hpp>
#include <coir/net/tcp_listener.hpp>
#include <coir/net/tcp_stream.hpp>
#include <coir/net/udp_socket.hpp>
