// SPDX-License-Identifier: BSL-1.0
#pragma once

// TCP echo of 64 bytes over 50 connections of the loopback device. Each server has one thread on core 0, the client runs
// on core 1; the client talks to one server at a time, in short slices, and the others sleep meanwhile.

#include "bench/support/paired.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace bench::echo {

inline constexpr std::size_t k_message = 64;
inline constexpr std::size_t k_connections = 50;
inline constexpr unsigned k_server_core = 0;
inline constexpr unsigned k_client_core = 1;

/// A server that runs, until it is destroyed.
class server {
public:
    virtual ~server() = default;
    virtual std::string name() const = 0;
    virtual std::uint16_t port() const = 0;
    /// How long its thread has run on a core, in nanoseconds.
    virtual double cpu_nanoseconds() const = 0;
    /// System calls so far; 0 for those that do not count them.
    virtual std::uint64_t system_calls() const { return 0; }
};

std::unique_ptr<server> bare_epoll();
std::unique_ptr<server> coir_server();
std::unique_ptr<server> asio_callbacks();

/// Connections to one server. Each has one request under way at most.
class client {
public:
    explicit client(std::uint16_t port);
    ~client();
    client(client const&) = delete;
    client& operator=(client const&) = delete;

    struct result {
        std::uint64_t requests;
        double nanoseconds;
    };
    /// Keeps all connections busy for that long, then waits for the last answers, each of which is checked.
    result run(std::chrono::milliseconds how_long);

private:
    void send(int fd);
    void receive(int fd);

    int epoll_ = -1;
    std::vector<int> connections_;
    std::vector<std::uint64_t> sent_;  // by descriptor: the number in the last request
    std::uint64_t next_ = 1;
};

/// Throws std::system_error with errno and `what` if `result` is -1; otherwise returns it.
int checked(int result, char const* what);

/// A socket that listens on a free port of the loopback device, and that port.
int listening_socket(std::uint16_t& port);

/// The time that a thread has been running, by its clock.
double cpu_nanoseconds_of(clockid_t thread_clock);

}  // namespace bench::echo
