// SPDX-License-Identifier: BSL-1.0
#include "tests/net/raw_client.hpp"
#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/net.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

namespace net = coir::net;
using coir::test::on_one_and_four_workers;
using coir::test::yield_until;
using coir::test::yield_until_waiting;
using namespace std::chrono_literals;

// Runs `server_side(stream&)` and `client_side(stream&)` on the two ends of a connection.
template <class Server, class Client>
void with_streams(Server server_side, Client client_side) {
    on_one_and_four_workers([&] {
        auto server = net::start_server([&](net::stream& peer) { server_side(peer); }, "127.0.0.1", 0);
        auto client = net::open_connection("127.0.0.1", server.port());
        client_side(client);
        client.close();
        server.drain(10s);
    });
}

void echo_lines(net::stream& peer) {
    for (std::string line; !(line = peer.read_line()).empty();) {
        peer.write(line);
        peer.drain();
    }
}

TEST(stream, lines_keep_their_ends_and_the_last_one_needs_none) {
    with_streams(
        [](net::stream& peer) {
            peer.write("one\ntwo\n\nthree");
            peer.drain();
        },
        [](net::stream& client) {
            EXPECT_EQ(client.read_line(), "one\n");
            EXPECT_EQ(client.read_line(), "two\n");
            EXPECT_EQ(client.read_line(), "\n");
            EXPECT_FALSE(client.at_eof());
            EXPECT_EQ(client.read_line(), "three");
            EXPECT_EQ(client.read_line(), "");
            EXPECT_TRUE(client.at_eof());
        });
}

TEST(stream, read_returns_what_there_is) {
    with_streams(echo_lines, [](net::stream& client) {
        client.write("hello\n");
        EXPECT_EQ(client.read(0), "");
        EXPECT_EQ(client.read(1), "h");
        EXPECT_EQ(client.read(100), "ello\n");
        client.write("rest\n");
        client.write_eof();
        EXPECT_EQ(client.read(-1), "rest\n");
        EXPECT_EQ(client.read(5), "");
        EXPECT_TRUE(client.at_eof());
    });
}

TEST(stream, read_exactly_waits_for_all_of_it) {
    with_streams(
        [](net::stream& peer) {
            for (int i = 0; i < 10; ++i) {
                peer.write("0123456789");
                peer.drain();
                coir::yield();
            }
        },
        [](net::stream& client) {
            EXPECT_EQ(client.read_exactly(95).size(), 95u);
            try {
                client.read_exactly(20);
                ADD_FAILURE() << "there were only five";
            } catch (coir::incomplete_read const& end) {
                EXPECT_EQ(end.partial(), "56789");
                EXPECT_EQ(end.expected(), 20u);
            }
        });
}

TEST(stream, read_until_finds_separators_that_come_in_parts) {
    with_streams(
        [](net::stream& peer) {
            for (char const c : std::string("a\r\r\nb\r\nc")) {
                peer.write(std::string(1, c));
                peer.drain();
                coir::yield();
            }
        },
        [](net::stream& client) {
            EXPECT_EQ(client.read_until("\r\n"), "a\r\r\n");
            EXPECT_EQ(client.read_until("\r\n"), "b\r\n");
            try {
                client.read_until("\r\n");
                ADD_FAILURE() << "there was no separator";
            } catch (coir::incomplete_read const& end) {
                EXPECT_EQ(end.partial(), "c");
            }
            EXPECT_THROW(client.read_until(""), std::invalid_argument);
        });
}

TEST(stream, lines_beyond_the_limit_are_refused_and_kept) {
    with_streams(
        [](net::stream& peer) {
            peer.write(std::string(200, 'a') + "\n");
            peer.drain();
        },
        [](net::stream& client) {
            client.set_limit(100);
            EXPECT_THROW(client.read_line(), std::length_error);
            EXPECT_EQ(client.read_exactly(201), std::string(200, 'a') + "\n");
        });
}

TEST(stream, large_writes_arrive_whole_when_drained) {
    std::string const data(4 * 1024 * 1024, 'd');
    with_streams(
        [&](net::stream& peer) {
            peer.write(data);
            peer.write("end");
            peer.drain();
        },
        [&](net::stream& client) { EXPECT_TRUE(client.read() == data + "end"); });
}

TEST(stream, what_was_written_goes_out_while_its_writer_reads) {
    std::string const data(4 * 1024 * 1024, 'w');
    with_streams(
        [&](net::stream& peer) {
            peer.write(peer.read_exactly(data.size()));
            EXPECT_EQ(peer.read_line(), "thanks\n");
        },
        [&](net::stream& client) {
            client.write(data);
            EXPECT_TRUE(client.read_exactly(data.size()) == data);
            client.write("thanks\n");
        });
}

TEST(stream, what_was_written_is_sent_after_a_close) {
    std::string const data(4 * 1024 * 1024, 'c');
    on_one_and_four_workers([&] {
        net::tcp_listener listener("127.0.0.1", 0);
        coir::test::raw_client peer(listener.port());
        net::stream stream(listener.accept());
        stream.write(data);
        stream.write("end");
        stream.close();
        EXPECT_FALSE(stream.is_open());
        EXPECT_THROW(stream.read(1), std::system_error);
        stream.write("too late");
        EXPECT_THROW(stream.drain(), std::system_error);
        auto waiter = coir::spawn([&] { stream.wait_closed(); });
        std::string received;
        std::thread reader([&] { received = peer.receive_all(); });
        waiter.get();
        coir::blocking([&] { reader.join(); });
        EXPECT_TRUE(received == data + "end");
    });
}

// What a runtime's shutdown cancels may still say goodbye; the tasks that it would spawn for that never run.
TEST(stream, drain_in_a_shield_sends_all_while_the_runtime_shuts_down) {
    std::string const data(4 * 1024 * 1024, 'g');
    for (unsigned const workers : {1u, 4u}) {
        std::string received;
        std::thread reader;
        coir::run(coir::runtime_options{.workers = workers}, [&] {
            auto listener = std::make_shared<net::tcp_listener>("127.0.0.1", 0);
            auto peer = std::make_shared<coir::test::raw_client>(listener->port());
            reader = std::thread([&received, peer] { received = peer->receive_all(); });
            auto polite = coir::spawn([&data, listener] {
                net::stream stream(listener->accept());
                try {
                    coir::test::sleep_forever();
                } catch (coir::cancelled const&) {
                }
                coir::cancel_shield const shield;
                stream.write(data);
                stream.drain();
            });
            yield_until_waiting(polite);
            polite.detach();
        });
        reader.join();
        EXPECT_TRUE(received == data);
    }
}

TEST(stream, what_was_written_is_sent_after_the_end_of_the_stream) {
    std::string const data(4 * 1024 * 1024, 'e');
    on_one_and_four_workers([&] {
        auto server = net::start_server([&](net::stream peer) { peer.write(data); }, "127.0.0.1", 0);
        auto client = net::open_connection("127.0.0.1", server.port());
        yield_until([&] { return server.connections() == 1; });
        auto drained = coir::spawn([&] { server.drain(1h); });
        EXPECT_TRUE(client.read() == data);
        drained.get();
    });
}

TEST(stream, plain_thread_drains_itself) {
    std::string const data(4 * 1024 * 1024, 't');
    on_one_and_four_workers([&] {
        net::tcp_listener listener("127.0.0.1", 0);
        std::thread writer([&data, port = listener.port()] {
            net::stream stream(net::connect("127.0.0.1", port));
            stream.write(data);
            stream.drain();
        });
        net::stream stream(listener.accept());
        EXPECT_TRUE(stream.read() == data);
        coir::blocking([&] { writer.join(); });
    });
}

TEST(stream, several_tasks_may_write_and_drain) {
    constexpr std::size_t k_piece = 100 * 1000;
    constexpr std::size_t k_pieces = 20;
    with_streams(
        [&](net::stream& peer) {
            auto const write_all = [&peer](char letter) {
                for (std::size_t i = 0; i < k_pieces; ++i) {
                    peer.write(std::string(k_piece, letter));
                    peer.drain();
                }
            };
            coir::gather([&] { write_all('a'); }, [&] { write_all('b'); }, [&] { write_all('c'); });
        },
        [&](net::stream& client) {
            std::string const all = client.read();
            ASSERT_EQ(all.size(), 3 * k_pieces * k_piece);
            // Each write stays in one piece.
            for (std::size_t at = 0; at < all.size(); at += k_piece) {
                ASSERT_EQ(std::count(all.begin() + static_cast<std::ptrdiff_t>(at),
                                     all.begin() + static_cast<std::ptrdiff_t>(at + k_piece), all[at]),
                          static_cast<std::ptrdiff_t>(k_piece));
            }
        });
}

TEST(stream, a_cancelled_read_keeps_what_has_arrived) {
    on_one_and_four_workers([] {
        net::tcp_listener listener("127.0.0.1", 0);
        coir::test::raw_client peer(listener.port());
        net::stream stream(listener.accept());
        peer.send("abc");
        EXPECT_EQ(stream.read(1), "a");
        auto reader = coir::spawn([&] { return stream.read_exactly(5); });
        yield_until_waiting(reader);
        reader.cancel();
        EXPECT_THROW(reader.get(), coir::cancelled);
        peer.send("def");
        EXPECT_EQ(stream.read_exactly(5), "bcdef");
    });
}

TEST(stream, drain_reports_that_the_peer_is_gone) {
    on_one_and_four_workers([] {
        net::tcp_listener listener("127.0.0.1", 0);
        coir::test::raw_client peer(listener.port());
        net::stream stream(listener.accept());
        peer.vanish();
        EXPECT_THROW(
            for (;;) {
                stream.write(std::string(64 * 1024, 'x'));
                stream.drain();
            },
            std::system_error);
    });
}

TEST(stream, wait_closed_returns_after_close) {
    on_one_and_four_workers([] {
        net::tcp_listener listener("127.0.0.1", 0);
        coir::test::raw_client peer(listener.port());
        net::stream stream(listener.accept());
        auto waiter = coir::spawn([&] { stream.wait_closed(); });
        yield_until_waiting(waiter);
        stream.close();
        waiter.get();
        EXPECT_FALSE(stream.is_open());
        EXPECT_EQ(peer.receive_all(), "");
    });
}

TEST(stream, close_is_an_error_to_its_own_reader_and_no_end_of_the_stream) {
    on_one_and_four_workers([] {
        net::tcp_listener listener("127.0.0.1", 0);
        coir::test::raw_client peer(listener.port());
        net::stream stream(listener.accept());
        auto reader = coir::spawn([&] { stream.read_line(); });
        yield_until_waiting(reader);
        stream.close();
        EXPECT_THROW(reader.get(), std::system_error);
        EXPECT_THROW(stream.read_line(), std::system_error);
    });
}

TEST(stream_server, handlers_may_take_the_stream_by_value) {
    coir::run([] {
        auto server = net::start_server(
            [](net::stream peer) {
                peer.write(peer.read_line());
                peer.drain();
            },
            "127.0.0.1", 0);
        auto client = net::open_connection("localhost", std::to_string(server.port()));
        client.write("hello\n");
        EXPECT_EQ(client.read(), "hello\n");
    });
}

TEST(stream_server, serves_many_connections_at_once) {
    on_one_and_four_workers([] {
        auto server = net::start_server(echo_lines, "127.0.0.1", 0);
        std::vector<net::stream> clients;
        for (int i = 0; i < 100; ++i) {
            clients.push_back(net::open_connection("127.0.0.1", server.port()));
        }
        for (auto& client : clients) {
            client.write("x\n");
        }
        for (auto& client : clients) {
            EXPECT_EQ(client.read_line(), "x\n");
        }
        EXPECT_EQ(server.connections(), 100u);
        clients.clear();
        yield_until([&] { return server.connections() == 0; });
    });
}

TEST(stream_server, an_exception_closes_its_connection_and_is_reported) {
    std::atomic<int> reported{0};
    coir::runtime_options options;
    options.on_unhandled_exception = [&](coir::task_ref, std::exception_ptr const& error) {
        try {
            std::rethrow_exception(error);
        } catch (std::runtime_error const& e) {
            reported += std::string(e.what()) == "the handler failed" ? 1 : 1000;
        }
    };
    coir::run(options, [&] {
        auto server = net::start_server(
            [](net::stream& peer) {
                if (peer.read_line() == "fail\n") {
                    throw std::runtime_error("the handler failed");
                }
                peer.write("fine\n");
            },
            "127.0.0.1", 0);
        for (int i = 0; i < 3; ++i) {
            auto bad = net::open_connection("127.0.0.1", server.port());
            bad.write("fail\n");
            EXPECT_EQ(bad.read(), "");
            auto good = net::open_connection("127.0.0.1", server.port());
            good.write("work\n");
            EXPECT_EQ(good.read(), "fine\n");
        }
    });
    EXPECT_EQ(reported, 3);
}

// A peer that takes nothing would else keep the connection, and what waits for it, for as long as it likes.
TEST(stream_server, an_exception_closes_its_connection_although_something_waits_to_be_sent) {
    std::string const data(16 * 1024 * 1024, 'x');  // more than the system takes at once
    coir::runtime_options options;
    options.on_unhandled_exception = [](coir::task_ref, std::exception_ptr const&) {};
    coir::run(options, [&] {
        std::atomic<bool> written{false};
        auto server = net::start_server(
            [&](net::stream& peer) {
                peer.write(data);
                written = true;
                throw std::runtime_error("the handler failed");
            },
            "127.0.0.1", 0);
        coir::test::raw_client client(server.port());
        yield_until([&] { return written && server.connections() == 0; });
        EXPECT_LT(coir::blocking([&] { return client.receive_all().size(); }), data.size());
    });
}

TEST(stream_server, close_stops_accepting_and_lets_handlers_run_on) {
    on_one_and_four_workers([] {
        auto server = net::start_server(echo_lines, "127.0.0.1", 0);
        auto client = net::open_connection("127.0.0.1", server.port());
        client.write("before\n");
        EXPECT_EQ(client.read_line(), "before\n");
        server.close();
        yield_until([&] { return coir::test::raw_client(server.port()).error() == ECONNREFUSED; });
        client.write("after\n");
        EXPECT_EQ(client.read_line(), "after\n");
        client.close();
        server.serve_forever();
        EXPECT_EQ(server.connections(), 0u);
    });
}

TEST(stream_server, drain_waits_for_handlers_that_end) {
    on_one_and_four_workers([] {
        coir::event release;
        std::atomic<bool> finished{false};
        auto server = net::start_server(
            [&](net::stream& peer) {
                peer.read_line();
                release.wait();
                finished = true;
            },
            "127.0.0.1", 0);
        auto client = net::open_connection("127.0.0.1", server.port());
        client.write("go\n");
        yield_until([&] { return server.connections() == 1; });
        auto draining = coir::spawn([&] { server.drain(1h); });
        coir::test::yield_until_waiting(draining);
        EXPECT_FALSE(draining.done());
        release.set();
        draining.get();
        EXPECT_TRUE(finished);
    });
}

TEST(stream_server, drain_cancels_handlers_that_do_not_end) {
    on_one_and_four_workers([] {
        std::atomic<int> cancelled{0};
        auto server = net::start_server(
            [&](net::stream& peer) {
                try {
                    peer.read_line();
                } catch (coir::cancelled const&) {
                    ++cancelled;
                    throw;
                }
            },
            "127.0.0.1", 0);
        auto client = net::open_connection("127.0.0.1", server.port());
        yield_until([&] { return server.connections() == 1; });
        server.drain(5ms);
        EXPECT_EQ(server.connections(), 0u);
        EXPECT_LE(cancelled, 1);  // it may not have started
        EXPECT_EQ(client.read(), "");
    });
}

TEST(stream_server, a_connection_of_the_queue_is_served_after_close) {
    coir::run(coir::runtime_options{.workers = 1}, [] {
        auto server = net::start_server(echo_lines, "127.0.0.1", 0);
        coir::yield();  // it accepts now
        // No suspension between these: the acceptor finds both at once.
        coir::test::raw_client client(server.port());
        client.send("queued\n");
        client.end_sending();
        server.close();
        server.drain(10s);
        EXPECT_EQ(client.receive_all(), "queued\n");
    });
}

TEST(stream_server, start_server_outside_of_a_runtime_throws) {
    EXPECT_THROW(net::start_server(echo_lines, "127.0.0.1", 0), coir::no_running_runtime);
}

}  // namespace
