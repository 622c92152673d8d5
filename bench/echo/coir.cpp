// SPDX-License-Identifier: BSL-1.0
#include "bench/echo/echo.hpp"

#include <coir/coir.hpp>
#include <coir/net/tcp_listener.hpp>
#include <coir/net/tcp_stream.hpp>

#include <array>
#include <optional>

#include <pthread.h>

namespace bench::echo {
namespace {

void serve(coir::net::tcp_stream connection) {
    std::array<std::byte, 4096> buffer;
    std::error_code error;
    for (;;) {
        std::size_t const got = connection.read_some(buffer, error);
        if (error || got == 0) {
            return;
        }
        connection.write(std::span(buffer).first(got), error);
        if (error) {
            return;
        }
    }
}

class coir_echo final : public server {
public:
    coir_echo() {
        pin_this_thread(k_server_core);
        home_.emplace(coir::runtime_options{.workers = 1});
        unpin_this_thread();
        home_->block_on([this] {
            ::pthread_getcpuclockid(::pthread_self(), &clock_);
            listener_ = coir::net::tcp_listener("127.0.0.1", 0);
            port_ = listener_.port();
        });
        accepting_ = home_->spawn([this] {
            std::error_code error;
            for (;;) {
                coir::net::tcp_stream connection = listener_.accept(error);
                if (error) {
                    return;
                }
                coir::spawn(&serve, std::move(connection));
            }
        });
    }

    ~coir_echo() override {
        listener_.close();
        home_->shutdown();
    }

    std::string name() const override { return "coir"; }
    std::uint16_t port() const override { return port_; }
    double cpu_nanoseconds() const override { return cpu_nanoseconds_of(clock_); }

private:
    clockid_t clock_{};
    std::uint16_t port_ = 0;
    coir::net::tcp_listener listener_;
    std::optional<coir::runtime> home_;
    coir::task<void> accepting_;
};

}  // namespace

std::unique_ptr<server> coir_server() {
    return std::make_unique<coir_echo>();
}

}  // namespace bench::echo
