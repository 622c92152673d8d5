// SPDX-License-Identifier: BSL-1.0
#pragma once

// A blocking socket of the system's, for what a well-behaved client does not do.

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace coir::test {

class raw_client {
public:
    explicit raw_client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        // A server that hangs is a failure, not a hanging test.
        timeval const patience{20, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        int const on = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd_, reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0) {
            error_ = errno;
        }
    }
    raw_client(raw_client&& other) noexcept : fd_(std::exchange(other.fd_, -1)), error_(other.error_) {}
    ~raw_client() { close(); }

    int fd() const noexcept { return fd_; }
    int error() const noexcept { return error_; }

    bool send(std::string_view data) const {
        while (!data.empty()) {
            ssize_t const count = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
            if (count < 0) {
                return false;
            }
            data.remove_prefix(static_cast<std::size_t>(count));
        }
        return true;
    }
    /// Is there something to read, or the end? Never waits.
    bool has_input() const {
        pollfd asked{fd_, POLLIN, 0};
        return ::poll(&asked, 1, 0) == 1;
    }
    void end_sending() const { ::shutdown(fd_, SHUT_WR); }

    /// Up to the end. A reset, or nothing for long, is a failure of the test.
    std::string receive_all() const {
        std::string all;
        char buffer[16 * 1024];
        for (;;) {
            ssize_t const count = ::recv(fd_, buffer, sizeof buffer, 0);
            if (count < 0) {
                ADD_FAILURE() << "after " << all.size() << " bytes: " << std::strerror(errno);
                return all;
            }
            if (count == 0) {
                return all;
            }
            all.append(buffer, static_cast<std::size_t>(count));
        }
    }
    std::string receive_exactly(std::size_t size) const {
        std::string data(size, '\0');
        ssize_t const count = ::recv(fd_, data.data(), size, MSG_WAITALL);
        data.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
        return data;
    }

    /// Up to and with `end`.
    std::string receive_until(std::string_view end) const {
        std::string data;
        char c = 0;
        while (!data.ends_with(end) && ::recv(fd_, &c, 1, 0) == 1) {
            data.push_back(c);
        }
        return data;
    }

    /// What the peer gets is a reset.
    void vanish() {
        linger const at_once{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close();
    }
    void close() {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }

private:
    int fd_;
    int error_ = 0;
};

}  // namespace coir::test
