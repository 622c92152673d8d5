// SPDX-License-Identifier: BSL-1.0
#include "bench/echo/echo.hpp"

#include <cerrno>
#include <ctime>
#include <system_error>

#include <netinet/in.h>
#include <sys/socket.h>

namespace bench::echo {

int checked(int result, char const* what) {
    if (result == -1) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    return result;
}

int listening_socket(std::uint16_t& port) {
    int const fd = checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
    checked(::listen(fd, 1024), "listen");
    socklen_t size = sizeof address;
    checked(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    port = ntohs(address.sin_port);
    return fd;
}

double cpu_nanoseconds_of(clockid_t thread_clock) {
    timespec used{};
    checked(::clock_gettime(thread_clock, &used), "clock_gettime");
    return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

}  // namespace bench::echo
