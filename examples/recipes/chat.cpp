// SPDX-License-Identifier: BSL-1.0
//
// Everybody hears what anybody says. Ctrl-C ends it in good order.

#include "recipes.hpp"

#include <coir/coir.hpp>
#include <coir/net.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

namespace {

struct said {
    int by;
    std::string line;
};

void talk(coir::net::stream& peer, coir::broadcast<said>& room, int me) {
    auto others = room.subscribe();
    coir::task_group ends_with_us;
    ends_with_us.spawn([&] {
        while (auto heard = others.pop()) {  // throws receiver_lagged to who is 100 lines behind
            if (heard->by != me) {
                peer.write(heard->line);
                peer.drain();
            }
        }
    });
    peer.write("welcome\n");
    for (auto line = peer.read_line(); !line.empty(); line = peer.read_line()) {
        room.push({me, line});
    }
}

void serve(std::uint16_t port, auto on_listening) {
    coir::broadcast<said> room(100);
    std::atomic<int> people{0};
    auto server =
        coir::net::start_server([&](coir::net::stream& peer) { talk(peer, room, ++people); }, "127.0.0.1", port);
    on_listening(server);
    try {
        server.serve_forever();
    } catch (coir::cancelled const&) {  // Ctrl-C
        room.push({0, "the server ends\n"});
        server.drain(5s);  // who has not left then is cut off
        throw;
    }
}

int chat_server(std::uint16_t port, auto on_listening) {
    try {
        coir::run({.handle_sigint = true}, [&] { serve(port, on_listening); });
        return 0;
    } catch (coir::cancelled const&) {  // it leaves run(), and is no std::exception
        std::cout << "interrupted\n";
        return 130;
    }
}

// Two people say a word each; then somebody presses Ctrl-C.
void two_people(std::uint16_t port) {
    auto ann = coir::net::open_connection("127.0.0.1", port);
    auto ben = coir::net::open_connection("127.0.0.1", port);
    for (auto* const one : {&ann, &ben}) {
        std::cout << one->read_line();
    }
    ann.write("hello\n");
    std::cout << "Ben reads: " << ben.read_line();
    ben.write("hello Ann\n");
    std::cout << "Ann reads: " << ann.read_line();
    std::raise(SIGINT);
    std::cout << "Ann reads: " << ann.read_line();
    std::cout << "Ben reads: " << ben.read_line();
}

}  // namespace

void recipes::chat() {
    coir::task<void> people;
    int const status = chat_server(0, [&](coir::net::server const& server) {
        people = coir::spawn([port = server.port()] {
            coir::cancel_shield const until_they_have_read_the_end;
            two_people(port);
        });
    });
    std::cout << "status " << status << '\n';
}
