// SPDX-License-Identifier: BSL-1.0
//
// What async with does, constructors and destructors do: they may wait.

#include "scenarios.hpp"

#include <stdexcept>

namespace {

using namespace std::chrono_literals;

class connection {
public:
    connection() {
        coir::sleep(1s);
        std::cout << "connected\n";
    }
    connection(connection const&) = delete;
    connection& operator=(connection const&) = delete;
    ~connection() {
        coir::cancel_shield const shield;  // a destructor that waits must not be cancelled half way
        coir::sleep(1s);
        std::cout << "disconnected\n";
    }

    int query() { return 666; }
};

void use_a_connection() {
    {
        connection c;
        std::cout << "result: " << c.query() << '\n';
    }
    try {
        connection const c;
        throw std::runtime_error("failed in the middle");
    } catch (std::runtime_error const& e) {
        std::cout << e.what() << '\n';
    }
}

}  // namespace

void scenarios::async_context_manager() {
    coir::run(as_one_loop(), use_a_connection);
}
