// SPDX-License-Identifier: BSL-1.0
#include "bench/echo/echo.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bench::echo {

client::client(std::uint16_t port) : epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
    for (std::size_t i = 0; i < k_connections; ++i) {
        int const fd = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
        connections_.push_back(fd);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        checked(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
        int const on = 1;
        checked(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        checked(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
        if (sent_.size() <= static_cast<std::size_t>(fd)) {
            sent_.resize(static_cast<std::size_t>(fd) + 1);
        }
    }
}

client::~client() {
    for (int const fd : connections_) {
        ::close(fd);
    }
    ::close(epoll_);
}

// 64 bytes always fit into the buffer of an idle socket.
void client::send(int fd) {
    std::array<std::byte, k_message> message{};
    sent_[static_cast<std::size_t>(fd)] = next_;
    std::memcpy(message.data(), &next_, sizeof next_);
    std::memcpy(message.data() + k_message - sizeof next_, &next_, sizeof next_);
    ++next_;
    if (::write(fd, message.data(), k_message) != static_cast<ssize_t>(k_message)) {
        throw wrong_result("echo: a request was not sent in one piece");
    }
}

void client::receive(int fd) {
    std::array<std::byte, k_message> message{};
    if (::read(fd, message.data(), k_message) != static_cast<ssize_t>(k_message)) {
        throw wrong_result("echo: an answer did not come in one piece");
    }
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::memcpy(&first, message.data(), sizeof first);
    std::memcpy(&last, message.data() + k_message - sizeof last, sizeof last);
    expect_equal(first, sent_[static_cast<std::size_t>(fd)], "the head of an answer");
    expect_equal(last, first, "the tail of an answer");
}

client::result client::run(std::chrono::milliseconds how_long) {
    std::array<epoll_event, k_connections> events{};
    std::uint64_t answered = 0;
    std::size_t under_way = 0;
    double const end = std::chrono::duration<double, std::nano>(how_long).count();
    stopwatch const watch;
    for (int const fd : connections_) {
        send(fd);
        ++under_way;
    }
    bool open = true;
    while (under_way != 0) {
        int const count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
        if (count == -1 && errno == EINTR) {
            continue;
        }
        checked(count, "epoll_wait");
        open = open && watch.nanoseconds() < end;
        for (int i = 0; i < count; ++i) {
            int const fd = events[static_cast<std::size_t>(i)].data.fd;
            receive(fd);
            ++answered;
            if (open) {
                send(fd);
            } else {
                --under_way;
            }
        }
    }
    return {answered, watch.nanoseconds()};
}

}  // namespace bench::echo
