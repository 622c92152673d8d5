// SPDX-License-Identifier: BSL-1.0
//
// The floor: epoll_wait, read, write, with nothing around them.

#include "bench/echo/echo.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bench::echo {
namespace {

class bare_server final : public server {
public:
    bare_server()
        : listener_(listening_socket(port_)), stop_(checked(::eventfd(0, EFD_CLOEXEC), "eventfd")),
          epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
        watch(listener_);
        watch(stop_);
        pin_this_thread(k_server_core);
        thread_ = std::thread([this] { loop(); });
        unpin_this_thread();
        ::pthread_getcpuclockid(thread_.native_handle(), &clock_);
    }

    ~bare_server() override {
        ::eventfd_write(stop_, 1);
        thread_.join();
        ::close(listener_);
        ::close(stop_);
        ::close(epoll_);
    }

    std::string name() const override { return "bare epoll loop"; }
    std::uint16_t port() const override { return port_; }
    double cpu_nanoseconds() const override { return cpu_nanoseconds_of(clock_); }
    std::uint64_t system_calls() const override { return calls_.load(std::memory_order_relaxed); }

private:
    void watch(int fd) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        checked(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }

    void loop() {
        std::array<epoll_event, 256> events{};
        for (;;) {
            int const count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
            std::uint64_t calls = 1;
            for (int i = 0; i < count; ++i) {
                int const fd = events[static_cast<std::size_t>(i)].data.fd;
                if (fd == stop_) {
                    return;
                }
                calls += fd == listener_ ? accept() : echo(fd);
            }
            calls_.store(calls_.load(std::memory_order_relaxed) + calls, std::memory_order_relaxed);
        }
    }

    std::uint64_t accept() {
        int const fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd != -1) {
            int const on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            watch(fd);
        }
        return 3;
    }

    std::uint64_t echo(int fd) {
        std::array<std::byte, 4096> buffer;
        ssize_t const got = ::read(fd, buffer.data(), buffer.size());
        if (got <= 0) {
            if (got == 0 || errno != EAGAIN) {
                ::close(fd);
            }
            return 2;
        }
        if (::write(fd, buffer.data(), static_cast<std::size_t>(got)) != got) {
            ::close(fd);
        }
        return 2;
    }

    std::uint16_t port_ = 0;
    int listener_;
    int stop_;
    int epoll_;
    std::atomic<std::uint64_t> calls_{0};
    std::thread thread_;
    clockid_t clock_{};
};

}  // namespace

std::unique_ptr<server> bare_epoll() {
    return std::make_unique<bare_server>();
}

}  // namespace bench::echo
