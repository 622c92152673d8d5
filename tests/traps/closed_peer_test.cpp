// SPDX-License-Identifier: BSL-1.0
//
// Whoever writes to a connection that the other side has closed gets SIGPIPE from the system, which by default ends the
// process. A library must neither let that happen nor change what the program has set for the signal.

#include "tests/support/running.hpp"

#include <coir/net.hpp>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <system_error>

namespace coir {
namespace {

class closed_peer : public testing::Test {
protected:
    closed_peer() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// The signal as a fresh process has it, whatever the one that runs the tests has set.
void take_the_default_of_the_signal() {
    std::signal(SIGPIPE, SIG_DFL);
    ::sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_UNBLOCK, &pipe, nullptr);
}

bool has_the_default_of_the_signal() {
    struct sigaction action {};
    ::sigset_t blocked;
    ::sigaction(SIGPIPE, nullptr, &action);
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    return action.sa_handler == SIG_DFL && sigismember(&blocked, SIGPIPE) == 0;
}

// Writes to a peer that has closed until the system says so, and then once more.
template <class Write>
[[noreturn]] void write_until_it_fails(Write const& write) {
    take_the_default_of_the_signal();
    bool broken = false;
    run(runtime_options{.workers = 2}, [&] {
        net::tcp_listener listener("127.0.0.1", 0);
        auto client = net::connect("127.0.0.1", listener.port());
        listener.accept().close();
        std::error_code error;
        while (!error || error == std::errc::connection_reset) {
            write(client, std::as_bytes(std::span("something", 9)), error);
        }
        broken = error == std::errc::broken_pipe && has_the_default_of_the_signal();
        std::fprintf(stderr, "%s", error.message().c_str());
    });
    std::_Exit(broken ? EXIT_SUCCESS : EXIT_FAILURE);
}

TEST_F(closed_peer, makes_write_some_fail_with_broken_pipe) {
    EXPECT_EXIT(write_until_it_fails([](net::tcp_stream& to, std::span<std::byte const> data, std::error_code& error) {
                    to.write_some(data, error);
                }),
                testing::ExitedWithCode(EXIT_SUCCESS), "Broken pipe");
}

TEST_F(closed_peer, makes_write_fail_with_broken_pipe) {
    EXPECT_EXIT(write_until_it_fails([](net::tcp_stream& to, std::span<std::byte const> data, std::error_code& error) {
                    to.write(data, error);
                }),
                testing::ExitedWithCode(EXIT_SUCCESS), "Broken pipe");
}

// A stream with a buffer also sends where it cannot report, in write().
TEST_F(closed_peer, makes_drain_fail_and_leaves_the_process_alone) {
    EXPECT_EXIT(
        {
            take_the_default_of_the_signal();
            int failures = 0;
            run(runtime_options{.workers = 2}, [&] {
                net::tcp_listener listener("127.0.0.1", 0);
                auto to = net::open_connection("127.0.0.1", listener.port());
                listener.accept().close();
                while (failures < 5) {
                    to.write("something");
                    try {
                        to.drain();
                    } catch (std::system_error const&) {
                        ++failures;
                    }
                }
            });
            std::_Exit(has_the_default_of_the_signal() ? EXIT_SUCCESS : EXIT_FAILURE);
        },
        testing::ExitedWithCode(EXIT_SUCCESS), "");
}

}  // namespace
}  // namespace coir
