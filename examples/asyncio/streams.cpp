// SPDX-License-Identifier: BSL-1.0
//
// A server that answers lines, and its clients.

#include "scenarios.hpp"

#include <coir/net.hpp>

#include <cctype>
#include <cstdint>

namespace {

void shout(coir::net::stream& peer) {
    while (true) {
        auto line = peer.read_line();
        if (line.empty()) {
            return;  // the client has ended; leaving closes the connection
        }
        for (auto& c : line) {
            c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        }
        peer.write(line);
        peer.drain();
    }
}

std::string ask(std::uint16_t port, std::string const& question) {
    auto server = coir::net::open_connection("127.0.0.1", port);
    server.write(question + "\n");
    server.write_eof();
    return server.read();
}

void serve_and_ask() {
    auto server = coir::net::start_server(shout, "127.0.0.1", 0);
    auto [a, b] = coir::gather([&] { return ask(server.port(), "hello"); },
                               [&] { return ask(server.port(), "is anybody there?"); });
    std::cout << a << b;
    server.close();
}

}  // namespace

void scenarios::streams() {
    coir::run(as_one_loop(), serve_and_ask);
}
