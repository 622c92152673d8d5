// SPDX-License-Identifier: BSL-1.0
//
// Boost.Asio with callbacks, its fastest form: one thread, and told so.

#include "bench/echo/echo.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <thread>

#include <pthread.h>

namespace bench::echo {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

class connection : public std::enable_shared_from_this<connection> {
public:
    explicit connection(tcp::socket socket) : socket_(std::move(socket)) {}

    void read() {
        socket_.async_read_some(asio::buffer(buffer_),
                                [self = shared_from_this()](boost::system::error_code error, std::size_t size) {
                                    if (!error) {
                                        self->write(size);
                                    }
                                });
    }

private:
    void write(std::size_t size) {
        asio::async_write(socket_, asio::buffer(buffer_, size),
                          [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                              if (!error) {
                                  self->read();
                              }
                          });
    }

    tcp::socket socket_;
    std::array<std::byte, 4096> buffer_{};
};

class asio_server final : public server {
public:
    asio_server() {
        accept();
        pin_this_thread(k_server_core);
        thread_ = std::thread([this] { context_.run(); });
        unpin_this_thread();
        ::pthread_getcpuclockid(thread_.native_handle(), &clock_);
    }

    ~asio_server() override {
        context_.stop();
        thread_.join();
    }

    std::string name() const override { return "Asio callbacks"; }
    std::uint16_t port() const override { return acceptor_.local_endpoint().port(); }
    double cpu_nanoseconds() const override { return cpu_nanoseconds_of(clock_); }

private:
    void accept() {
        acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
            if (!error) {
                socket.set_option(tcp::no_delay(true));
                std::make_shared<connection>(std::move(socket))->read();
                accept();
            }
        });
    }

    asio::io_context context_{1};
    tcp::acceptor acceptor_{context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
    std::thread thread_;
    clockid_t clock_{};
};

}  // namespace

std::unique_ptr<server> asio_callbacks() {
    return std::make_unique<asio_server>();
}

}  // namespace bench::echo
