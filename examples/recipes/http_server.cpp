// SPDX-License-Identifier: BSL-1.0

#include "recipes.hpp"

#include <coir/coir.hpp>
#include <coir/net.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>

namespace http = coir::net::http;

namespace {

void add_routes(http::server& server) {
    server.route("GET", "/users/{id}", [](http::request const& r) {
        return http::response{200, "user " + r.param("id") + "\n"};
    });
    server.route("GET", "/numbers", [](http::request&, http::response_writer& out) {
        for (int i = 0; i < 3; ++i) {
            out.write(std::to_string(i) + "\n");
            coir::sleep(std::chrono::milliseconds(1));
        }
    });
}

std::string get(std::uint16_t port, std::string const& path) {
    auto connection = coir::net::open_connection("127.0.0.1", port);
    connection.write("GET " + path + " HTTP/1.0\r\n\r\n");
    connection.read_until("\r\n\r\n");
    return connection.read();
}

}  // namespace

void recipes::http_server() {
    coir::run([] {
        http::server server;
        add_routes(server);
        server.listen("127.0.0.1", 0);  // any port that is free
        auto serving = coir::spawn([&] { server.serve_forever(); });
        std::cout << get(server.port(), "/users/ann") << get(server.port(), "/numbers");
        server.drain(std::chrono::seconds(5));
        serving.get();
    });
}
