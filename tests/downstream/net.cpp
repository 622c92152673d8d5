// SPDX-License-Identifier: BSL-1.0
#include <coir/coir.hpp>
#include <coir/net.hpp>

#include <string>

int main() {
    return coir::run([] {
        auto server = coir::net::start_server(
            [](coir::net::stream& peer) {
                peer.write(peer.read_line());
                peer.drain();
            },
            "127.0.0.1", 0);
        auto stream = coir::net::open_connection("127.0.0.1", std::to_string(server.port()));
        stream.write("hello\n");
        stream.drain();
        return stream.read_line() == "hello\n" ? 0 : 1;
    });
}
