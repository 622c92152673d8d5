// SPDX-License-Identifier: BSL-1.0
//
// What the server reads as a request, byte by byte: each case goes through the parser whole, in single bytes and cut at
// every point, and through a server.

#include "net/http/parser_impl.hpp"
#include "tests/net/raw_client.hpp"
#include "tests/support/nothing_left.hpp"

#include <coir/coir.hpp>
#include <coir/net.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace {

using coir::net::http::request_parser;
using coir::net::http::server_options;

struct http_case {
    char const* name;
    std::string bytes;
    int status;  // 200: a good request
    std::string body = {};
    std::string target = {};  // empty: not looked at
};

std::string const k_host = "Host: a\r\n";

std::string get_with(std::string const& headers) {
    return "GET / HTTP/1.1\r\n" + k_host + headers + "\r\n";
}

std::string post(std::string const& headers, std::string const& body) {
    return "POST / HTTP/1.1\r\n" + k_host + headers + "\r\n" + body;
}

std::string chunked(std::string const& body) {
    return post("Transfer-Encoding: chunked\r\n", body);
}

std::string many(std::size_t count, std::string const& text) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
        all.append(text);
    }
    return all;
}

using namespace std::string_literals;

std::vector<http_case> cases() {
    return {
        // Good ones.
        {"plain", get_with(""), 200, "", "/"},
        {"empty line before the request", "\r\n" + get_with(""), 200, "", "/"},
        {"one point zero without host", "GET / HTTP/1.0\r\n\r\n", 200},
        {"absolute form", "GET http://a/b?c=1 HTTP/1.1\r\nHost: a\r\n\r\n", 200, "", "/b?c=1"},
        {"absolute form without path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", 200, "", "/"},
        {"query", "GET /a?b=c&d=%20 HTTP/1.1\r\nHost: a\r\n\r\n", 200, "", "/a?b=c&d=%20"},
        {"port in host", "GET / HTTP/1.1\r\nHost: a:80\r\n\r\n", 200},
        {"host in brackets", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200},
        {"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 200},
        {"header without value", get_with("X:\r\n"), 200},
        {"tab in a value", get_with("X: a\tb\r\n"), 200},
        {"latin letters in a value", get_with("X: \xe4\r\n"), 200},
        {"upgrade is not taken up", get_with("Connection: upgrade\r\nUpgrade: websocket\r\n"), 200},
        {"body", post("Content-Length: 5\r\n", "hello"), 200, "hello"},
        {"empty body", post("Content-Length: 0\r\n", ""), 200, ""},
        {"spaces and tabs around the length", post("Content-Length:\t 5 \t\r\n", "hello"), 200, "hello"},
        {"spaces and tabs around the coding", post("Transfer-Encoding: \tchunked \t\r\n", "0\r\n\r\n"), 200},
        {"leading zeros in the length", post("Content-Length: 005\r\n", "hello"), 200, "hello"},
        {"chunks", chunked("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), 200, "hello!"},
        {"chunk sizes in both cases", chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), 200,
         "01234567890123456789"},
        {"chunk extension", chunked("5;a=b\r\nhello\r\n0\r\n\r\n"), 200, "hello"},
        {"trailers", chunked("5\r\nhello\r\n0\r\nX: y\r\nZ: w\r\n\r\n"), 200, "hello"},
        {"no chunks", chunked("0\r\n\r\n"), 200, ""},
        {"expectation", post("Expect: 100-continue\r\nContent-Length: 2\r\n", "hi"), 200, "hi"},

        // The request line.
        {"nonsense", "hello\r\n\r\n", 400},
        {"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc"s, 400},
        {"lower case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"unknown method", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"connect", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"version 0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
        {"version 3.7", "GET / HTTP/3.7\r\nHost: a\r\n\r\n", 505},
        {"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        {"no version", "GET /\r\n\r\n", 400},
        {"another protocol", "GET / HTCPCP/1.1\r\nHost: a\r\n\r\n", 400},
        {"long version", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
        {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
        {"two spaces behind an unknown method", "BREW  /pot HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"tab as space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"control character in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"high byte in the target", "GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"zero byte in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s, 400},
        {"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"target without slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"absolute form without host", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"absolute form with a user", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"long target", "GET /" + std::string(8200, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
        {"endless target", "GET /" + std::string(20000, 'a'), 414},

        // The headers.
        {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
        {"two hosts", get_with("Host: b\r\n"), 400},
        {"the same host twice", get_with(k_host), 400},
        {"space in host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        {"list in host", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
        {"path in host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"user in host", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
        {"bare line feed", "GET / HTTP/1.1\nHost: a\n\n", 400},
        {"bare line feed in headers", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400},
        {"bare carriage return", get_with("X: a\rb\r\n"), 400},
        {"bare carriage return at the end", "GET / HTTP/1.1\r\nHost: a\r\n\rX", 400},
        {"folded line", get_with("X: a\r\n b\r\n"), 400},
        {"folded line with a tab", get_with("X: a\r\n\tb\r\n"), 400},
        {"folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
        {"space before the colon", get_with("X : a\r\n"), 400},
        {"tab before the colon", get_with("X\t: a\r\n"), 400},
        {"space before the colon of the length", post("Content-Length : 5\r\n", "hello"), 400},
        {"no colon", get_with("X\r\n"), 400},
        {"no name", get_with(": a\r\n"), 400},
        {"zero byte in a value", get_with("X: a\0b\r\n"s), 400},
        {"control character in a value", get_with("X: a\x01\r\n"), 400},
        {"delete in a value", get_with("X: a\x7f\r\n"), 400},
        {"control character in a name", get_with("X\x01: a\r\n"), 400},
        {"high byte in a name", get_with("X\xe4: a\r\n"), 400},
        {"bracket in a name", get_with("X[: a\r\n"), 400},
        {"too many headers", get_with(many(101, "X: y\r\n")), 431},
        {"too large a header", get_with("X: " + std::string(17000, 'a') + "\r\n"), 431},
        {"endless headers", "GET / HTTP/1.1\r\n" + many(4000, "X: yyyyyyyy\r\n"), 431},
        {"unknown expectation", get_with("Expect: 200-ok\r\n"), 417},

        // Lengths.
        {"length with a sign", post("Content-Length: +5\r\n", "hello"), 400},
        {"negative length", post("Content-Length: -5\r\n", "hello"), 400},
        {"hexadecimal length", post("Content-Length: 0x5\r\n", "hello"), 400},
        {"length list", post("Content-Length: 5, 5\r\n", "hello"), 400},
        {"two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400},
        {"the same length twice", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400},
        {"empty length", post("Content-Length:\r\n", "hello"), 400},
        {"length with a tab", post("Content-Length: 5\t0\r\n", "hello"), 400},
        {"length with a space", post("Content-Length: 5 0\r\n", "hello"), 400},
        {"length with other digits", post("Content-Length: \xd9\xa5\r\n", "hello"), 400},
        {"length beyond 64 bits", post("Content-Length: 18446744073709551621\r\n", "hello"), 400},
        {"length beyond 63 bits", post("Content-Length: 9223372036854775808\r\n", "hello"), 400},
        {"large length", post("Content-Length: 1048577\r\n", ""), 413},

        // Transfer codings.
        {"length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
        {"chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
        {"chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400},
        {"chunked in two headers", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
         400},
        {"chunked and identity in two headers",
         post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), 400},
        {"chunked is not last", post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), 400},
        {"identity", post("Transfer-Encoding: identity\r\n", "0\r\n\r\n"), 400},
        {"misspelt", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400},
        {"empty", post("Transfer-Encoding:\r\n", "0\r\n\r\n"), 400},
        {"vertical tab before chunked", post("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n"), 400},
        {"unknown coding below", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501},
        {"chunks to one point zero", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},

        // Chunks.
        {"size with a prefix", chunked("0x5\r\nhello\r\n0\r\n\r\n"), 400},
        {"size with a sign", chunked("+5\r\nhello\r\n0\r\n\r\n"), 400},
        {"negative size", chunked("-5\r\nhello\r\n0\r\n\r\n"), 400},
        {"no size", chunked("\r\nhello\r\n0\r\n\r\n"), 400},
        {"size is no number", chunked("z\r\nhello\r\n0\r\n\r\n"), 400},
        {"space before the size", chunked(" 5\r\nhello\r\n0\r\n\r\n"), 400},
        {"space behind the size", chunked("5 \r\nhello\r\n0\r\n\r\n"), 400},
        {"size of many digits", chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"), 400},
        {"huge size", chunked("fffffffffffffff0\r\nhello\r\n0\r\n\r\n"), 413},
        {"bare line feed behind the size", chunked("5\nhello\r\n0\r\n\r\n"), 400},
        {"bare carriage return behind the size", chunked("5\rhello\r\n0\r\n\r\n"), 400},
        {"line feed in an extension", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n"), 400},
        {"zero byte in an extension", chunked("5;a\0b\r\nhello\r\n0\r\n\r\n"s), 400},
        {"long extension", chunked("5;" + std::string(300, 'a') + "\r\nhello\r\n0\r\n\r\n"), 400},
        {"many extensions", chunked(many(100, "1;" + std::string(200, 'a') + "\r\nh\r\n") + "0\r\n\r\n"), 400},
        {"data longer than its size", chunked("4\r\nhello\r\n0\r\n\r\n"), 400},
        {"no line end behind the data", chunked("5\r\nhello0\r\n\r\n"), 400},
        {"bare line feed behind the data", chunked("5\r\nhello\n0\r\n\r\n"), 400},
        {"chunks beyond the limit", chunked("100000\r\n" + std::string(0x100000, 'a') + "\r\n1\r\n"), 413},
        {"length as a trailer", chunked("0\r\nContent-Length: 5\r\n\r\n"), 400},
        {"transfer coding as a trailer", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
        {"host as a trailer", chunked("0\r\nHost: b\r\n\r\n"), 400},
        {"trailer without colon", chunked("0\r\nX\r\n\r\n"), 400},
        {"folded trailer", chunked("0\r\nX: y\r\n z\r\n\r\n"), 400},
        {"bare line feed in a trailer", chunked("0\r\nX: y\nZ: w\r\n\r\n"), 400},
        {"endless trailer", chunked("0\r\nX: " + std::string(20000, 'a')), 431},
        {"too many trailers", chunked("0\r\n" + many(101, "X: y\r\n")), 431},
    };
}

// 200, the status of the refusal, or 0 for an incomplete request. `taken`: how many bytes.
struct reading {
    int status = 0;
    std::string body;
    std::string target;
    std::size_t taken = 0;
    bool operator==(reading const&) const = default;
};

reading read_in_parts(std::vector<std::string_view> const& parts) {
    server_options const limits;
    request_parser parser(limits);
    reading result;
    for (std::string_view part : parts) {
        while (!part.empty()) {
            std::size_t const taken = parser.feed(part.data(), part.size());
            result.taken += taken;
            part.remove_prefix(taken);
            if (parser.where() == request_parser::stage::failed) {
                result.status = parser.status();
                result.taken = 0;  // where within a bad request it stopped is of no interest
                return result;
            }
            if (parser.where() == request_parser::stage::complete) {
                result.status = 200;
                result.body = parser.message().body();
                result.target = parser.message().target();
                return result;
            }
        }
    }
    return result;
}

TEST(http_parser, judges_each_request_the_same_however_it_is_cut) {
    for (http_case const& c : cases()) {
        SCOPED_TRACE(c.name);
        std::string_view const bytes = c.bytes;
        reading const whole = read_in_parts({bytes});
        EXPECT_EQ(whole.status, c.status);
        if (c.status == 200) {
            EXPECT_EQ(whole.body, c.body);
            EXPECT_EQ(whole.taken, bytes.size());
        }
        if (!c.target.empty()) {
            EXPECT_EQ(whole.target, c.target);
        }
        std::vector<std::string_view> single_bytes;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            single_bytes.push_back(bytes.substr(i, 1));
        }
        EXPECT_EQ(read_in_parts(single_bytes), whole) << "in single bytes";
        // Of long ones, which are long for their repetitions, the beginning, the end, and some points between.
        std::size_t const step = bytes.size() > 100'000 ? bytes.size() / 16 : bytes.size() > 2000 ? 101 : 1;
        for (std::size_t cut = 1; cut < bytes.size(); cut += step) {
            ASSERT_EQ(read_in_parts({bytes.substr(0, cut), bytes.substr(cut)}), whole) << "cut at " << cut;
        }
    }
}

TEST(http_parser, reads_the_next_request_behind_a_good_one) {
    server_options const limits;
    for (http_case const& c : cases()) {
        if (c.status != 200) {
            continue;
        }
        SCOPED_TRACE(c.name);
        request_parser parser(limits);
        std::string const twice = c.bytes + "GET /next HTTP/1.1\r\nHost: b\r\n\r\n";
        std::string_view left = twice;
        while (parser.where() != request_parser::stage::complete) {
            left.remove_prefix(parser.feed(left.data(), left.size()));
            ASSERT_NE(parser.where(), request_parser::stage::failed);
        }
        parser.reset();
        left.remove_prefix(parser.feed(left.data(), left.size()));
        EXPECT_EQ(parser.where(), request_parser::stage::complete);
        EXPECT_EQ(parser.message().target(), "/next");
        EXPECT_EQ(parser.message().body(), "");
        EXPECT_TRUE(left.empty());
    }
}

TEST(http_parser, hands_out_values_as_they_came_and_one_host) {
    server_options const limits;
    request_parser parser(limits);
    std::string const bytes =
        "GET http://real:8080/a HTTP/1.1\r\nHost: other\r\nX:\t a\tb \t\r\nAccept: x\r\naccept: y\r\n\r\n";
    EXPECT_EQ(parser.feed(bytes.data(), bytes.size()), bytes.size());
    ASSERT_EQ(parser.where(), request_parser::stage::complete);
    auto const& r = parser.message();
    EXPECT_EQ(r.header("host"), "real:8080");
    EXPECT_EQ(r.path(), "/a");
    EXPECT_EQ(r.header("x"), "a\tb");
    EXPECT_EQ(r.header("ACCEPT"), "x, y");
}

TEST(http_parser, clients_that_know_no_100_continue_are_sent_none) {
    server_options const limits;
    for (char const minor : {'0', '1'}) {
        request_parser parser(limits);
        std::string const bytes =
            "POST / HTTP/1."s + minor + "\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
        parser.feed(bytes.data(), bytes.size());
        EXPECT_EQ(parser.expects_continue(), minor == '1');
    }
}

TEST(http_parser, server_answers_as_the_parser_judges) {
    coir::runtime rt(coir::runtime_options{.workers = 1});
    rt.block_on([&] {
        coir::net::http::server server;
        auto const echo = [](coir::net::http::request const& r) { return coir::net::http::response{200, r.body()}; };
        server.route("GET", "/{all...}", echo);
        server.route("POST", "/{all...}", echo);
        server.listen("127.0.0.1", 0);
        for (http_case const& c : cases()) {
            SCOPED_TRACE(c.name);
            // The client blocks its thread, so it gets one of its own.
            std::string const answer = coir::to_thread([&] {
                coir::test::raw_client client(server.port());
                client.send(c.bytes);
                client.end_sending();
                return client.receive_all();
            });
            std::string const expected = "HTTP/1.1 " + std::to_string(c.status) + " ";
            std::string_view rest = answer;
            if (rest.starts_with("HTTP/1.1 100 Continue\r\n\r\n")) {
                rest.remove_prefix(25);
            }
            EXPECT_EQ(rest.substr(0, expected.size()), expected);
            if (c.status != 200) {
                EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos);
            }
            EXPECT_EQ(rest.find("HTTP/1.1 ", 1), std::string_view::npos) << "more than one answer";
        }
    });
}

}  // namespace
