// SPDX-License-Identifier: BSL-1.0
//
// tcp_stream under Boost.Asio's algorithms, Beast's HTTP and its WebSocket.

#include "tests/support/running.hpp"

#include <coir/coir.hpp>
#include <coir/net.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace net = coir::net;
using boost::system::error_code;
using boost::system::system_error;
using coir::test::on_one_and_four_workers;
using coir::test::yield_until_waiting;
using namespace std::chrono_literals;

static_assert(beast::is_sync_stream<net::tcp_stream>::value);
static_assert(beast::has_get_executor<net::tcp_stream>::value);
// Neither is a sequence of Asio's buffers: they are for the overloads that need no Boost.
static_assert(!net::mutable_buffers<std::vector<std::byte>> && !net::const_buffers<std::string>);

struct pair {
    pair() {
        net::tcp_listener listener("127.0.0.1", 0);
        client = net::connect("127.0.0.1", listener.port());
        server = listener.accept();
    }
    net::tcp_stream client;
    net::tcp_stream server;
};

TEST(asio_stream, buffers_are_written_and_filled_in_their_order) {
    on_one_and_four_workers([] {
        pair p;
        std::string const large(3 * 1024 * 1024, 'l');
        std::vector<asio::const_buffer> parts;
        std::string expected;
        for (int i = 0; i < 40; ++i) {  // more than go into one system call, and some are empty
            parts.push_back(asio::buffer(large.data(), i % 3 == 0 ? 0 : 100'000));
            expected.append(large, 0, parts.back().size());
            parts.push_back(asio::buffer("|", 1));
            expected.push_back('|');
        }
        auto writer = coir::spawn([&] { return asio::write(p.client, parts); });
        std::string all(expected.size(), '\0');
        char first = 0;
        std::array<asio::mutable_buffer, 3> const to{asio::buffer(&first, 1), asio::mutable_buffer(),
                                                     asio::buffer(all.data() + 1, all.size() - 1)};
        EXPECT_EQ(asio::read(p.server, to), expected.size());
        all[0] = first;
        EXPECT_EQ(writer.get(), expected.size());
        EXPECT_TRUE(all == expected);
    });
}

TEST(asio_stream, errors_are_those_of_asio) {
    on_one_and_four_workers([] {
        pair p;
        std::array<char, 8> data;
        auto const buffer = asio::buffer(data);
        error_code error = asio::error::fault;
        EXPECT_EQ(p.server.read_some(asio::mutable_buffer(), error), 0u);  // nothing asked for is not the end
        EXPECT_FALSE(error);
        p.server.set_timeout(5ms);
        p.server.read_some(buffer, error);
        EXPECT_EQ(error, asio::error::timed_out);
        p.server.set_timeout(0ms);
        EXPECT_EQ(p.client.write_some(asio::buffer("ab", 2), error), 2u);
        EXPECT_FALSE(error);
        EXPECT_EQ(p.server.read_some(buffer), 2u);
        auto reader = coir::spawn([&] {
            error_code closed;
            p.server.read_some(buffer, closed);
            return closed;
        });
        yield_until_waiting(reader);
        p.client.close(error);
        EXPECT_EQ(reader.get(), asio::error::eof);
        EXPECT_THROW(p.server.read_some(buffer), system_error);
        p.client.write_some(asio::buffer("x", 1), error);
        EXPECT_EQ(error, asio::error::bad_descriptor);
        EXPECT_THROW(p.client.write_some(asio::buffer("x", 1)), system_error);
    });
}

TEST(asio_stream, what_is_posted_to_its_executor_runs) {
    coir::run([] {
        pair p;
        coir::promise<int> done;
        auto result = done.get_future();
        asio::post(p.client.get_executor(), [&] { done.set_value(7); });
        EXPECT_EQ(result.get(), 7);
    });
}

TEST(asio_stream, carries_http_of_beast) {
    namespace http = beast::http;
    on_one_and_four_workers([] {
        net::http::server server;
        server.route("POST", "/echo", [](net::http::request const& r) {
            return net::http::response{200, r.body() + r.header("x-more")};
        });
        server.listen("127.0.0.1", 0);
        auto client = net::connect("127.0.0.1", server.port());
        http::request<http::string_body> request{http::verb::post, "/echo", 11, std::string(300'000, 'b')};
        request.set(http::field::host, "a");
        request.set("X-More", "end");
        request.prepare_payload();
        http::write(client, request);
        beast::flat_buffer buffer;
        http::response<http::string_body> response;
        http::read(client, buffer, response);
        EXPECT_EQ(response.result_int(), 200u);
        EXPECT_TRUE(response.body() == std::string(300'000, 'b') + "end");
    });
}

TEST(asio_stream, carries_websockets_of_beast) {
    on_one_and_four_workers([] {
        pair p;
        auto serving = coir::spawn([peer = std::move(p.server)]() mutable {
            beast::websocket::stream<net::tcp_stream> socket(std::move(peer));
            socket.accept();
            error_code error;
            for (;;) {
                beast::multi_buffer message;
                socket.read(message, error);
                if (error) {
                    return error;
                }
                socket.text(socket.got_text());
                socket.write(message.data());
            }
        });
        beast::websocket::stream<net::tcp_stream&> socket(p.client);
        socket.handshake("a", "/");
        for (std::size_t const size : {std::size_t{5}, std::size_t{500'000}}) {
            std::string const text(size, 'w');
            socket.write(asio::buffer(text));
            beast::flat_buffer answer;
            socket.read(answer);
            EXPECT_TRUE(beast::buffers_to_string(answer.data()) == text);
        }
        socket.close(beast::websocket::close_code::normal);
        EXPECT_EQ(serving.get(), beast::websocket::error::closed);
        EXPECT_FALSE(p.client.is_open());
    });
}

}  // namespace
