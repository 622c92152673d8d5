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
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

namespace http = coir::net::http;
using coir::test::raw_client;
using http::request;
using http::response;
using http::response_writer;
using namespace std::chrono_literals;
using namespace std::string_literals;

std::size_t count_of(std::string_view text, std::string_view part) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; at += part.size()) {
        ++count;
    }
    return count;
}

bool holds(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

std::string get(std::string const& target, std::string const& headers = {}) {
    return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n";
}

// A server in a runtime of its own; the test is the client, on a plain thread.
class http_server : public testing::Test {
protected:
    void start(http::server_options options = {}, unsigned workers = 2) {
        coir::runtime_options runtime;
        runtime.workers = workers;
        runtime.on_unhandled_exception = [this](coir::task_ref, std::exception_ptr const&) { ++unhandled_; };
        runtime_.emplace(runtime);
        runtime_->block_on([&] {
            server_.emplace(options);
            server_->route("GET", "/", [](request const&) { return response{200, "root"}; });
            server_->route("GET", "/users/{id}", [](request const& r) {
                return response{200, "user " + r.param("id")};
            });
            server_->route("GET", "/users/me", [](request const&) { return response{200, "myself"}; });
            server_->route("GET", "/tree/{path...}", [](request const& r) { return response{200, r.param("path")}; });
            server_->route("GET", "/query", [](request const& r) {
                return response{200, r.query("a") + "|" + r.query("b")};
            });
            server_->route("POST", "/echo", [](request const& r) {
                return response{200, r.body(), r.header("content-type")};
            });
            server_->route("GET", "/fail", [](request const&) -> response { throw std::runtime_error("fail"); });
            server_->route("GET", "/awaits-a-cancelled-task", [](request const&) -> response {
                auto other = coir::spawn([] { coir::test::sleep_forever(); });
                other.cancel();
                other.get();
                return {200, "not here"};
            });
            server_->route("GET", "/inject", [](request const&) {
                response r{200, "x"};
                r.headers.emplace_back("X", "a\r\nSet-Cookie: b");
                return r;
            });
            server_->route("GET", "/nothing", [](request const&) { return response{204}; });
            server_->route("GET", "/unmodified", [](request const&) { return response{304, "not sent"}; });
            server_->route("GET", "/nothing-streamed",
                           [](request&, response_writer& w) { w.set_status(204).write("not sent"); });
            server_->route("GET", "/endless", [this](request&, response_writer& w) {
                try {
                    for (;;) {
                        w.write(std::string(64 * 1024, 'e'));
                    }
                } catch (coir::timeout_error const&) {
                    ++timed_out_;
                    throw;
                }
            });
            server_->route("GET", "/crowd", [this](request const&) {
                most_at_once_ = std::max(most_at_once_.load(), server_->connections());
                for (int i = 0; i < 20; ++i) {
                    coir::yield();
                }
                return response{200, "one of many"};
            });
            server_->route("GET", "/hold", [this](request const&) {
                ++holding_;
                release_.wait();
                return response{200, "held"};
            });
            server_->route("GET", "/stream", [](request&, response_writer& w) {
                w.set_header("X-Part", "yes");
                for (int i = 0; i < 3; ++i) {
                    w.write("part" + std::to_string(i));
                }
            });
            server_->route("GET", "/sized", [](request&, response_writer& w) {
                w.set_content_length(4);
                w.write("si");
                w.write("ze");
            });
            server_->route("GET", "/breaks", [](request&, response_writer& w) {
                w.write("begun");
                throw std::runtime_error("breaks");
            });
            server_->route("GET", "/fails-early",
                           [](request&, response_writer&) { throw std::runtime_error("early"); });
            server_->route("GET", "/large", [](request const&) {
                return response{200, std::string(8 * 1024 * 1024, 'l')};
            });
            server_->listen("127.0.0.1", 0);
        });
    }
    void TearDown() override {
        release_.set();
        server_.reset();
        runtime_.reset();
    }

    std::string ask(std::string const& bytes) {
        raw_client client(server_->port());
        client.send(bytes);
        client.end_sending();
        return client.receive_all();
    }
    // The same of a server that waits for some milliseconds only: a client that was kept from its processor for longer gets no
    // answer, and tries again. Fails by the test's time limit.
    std::string ask_until_answered(std::string const& bytes) {
        for (;;) {
            raw_client client(server_->port());
            client.send(bytes);
            if (std::string const line = client.receive_until("\r\n"); !line.empty()) {
                return line + client.receive_all();
            }
        }
    }
    // The status line's number and the body.
    std::string body_of(std::string const& answer) {
        std::size_t const end = answer.find("\r\n\r\n");
        return answer.substr(9, 3) + " " + (end == std::string::npos ? "no end of head" : answer.substr(end + 4));
    }

    std::optional<coir::runtime> runtime_;
    std::optional<http::server> server_;
    coir::event release_;
    std::atomic<int> holding_{0};
    std::atomic<int> unhandled_{0};
    std::atomic<int> timed_out_{0};
    std::atomic<std::size_t> most_at_once_{0};
};

TEST_F(http_server, routes_by_path_and_method) {
    start();
    EXPECT_EQ(body_of(ask(get("/"))), "200 root");
    EXPECT_EQ(body_of(ask(get("/users/7"))), "200 user 7");
    EXPECT_EQ(body_of(ask(get("/users/me"))), "200 myself");
    EXPECT_EQ(body_of(ask(get("/users/a%20b%2Fc"))), "200 user a b/c");
    EXPECT_EQ(body_of(ask(get("/us%65rs/7"))), "200 user 7");
    EXPECT_EQ(body_of(ask(get("/tree/a/b/c"))), "200 a/b/c");
    EXPECT_EQ(body_of(ask(get("/tree/"))), "200 ");
    EXPECT_EQ(body_of(ask(get("/query?a=1&b=%32+3"))), "200 1|2 3");
    EXPECT_EQ(body_of(ask(get("/users"))), "404 Not Found\n");
    EXPECT_EQ(body_of(ask(get("/users/"))), "404 Not Found\n");
    EXPECT_EQ(body_of(ask(get("/users/7/8"))), "404 Not Found\n");
    EXPECT_EQ(body_of(ask(get("/users/%zz"))), "400 Bad Request\n");
    EXPECT_EQ(body_of(ask(get("/users/%00"))), "400 Bad Request\n");
    std::string const refused = ask("DELETE /users/7 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(body_of(refused), "405 Method Not Allowed\n");
    EXPECT_TRUE(holds(refused, "\r\nAllow: GET, HEAD\r\n"));
}

TEST_F(http_server, route_refuses_bad_patterns) {
    http::server server;
    auto const handler = [](request const&) { return response{}; };
    server.route("GET", "/a/{b}", handler);
    EXPECT_THROW(server.route("GET", "/a/{c}", handler), std::invalid_argument);
    EXPECT_THROW(server.route("GET", "a", handler), std::invalid_argument);
    EXPECT_THROW(server.route("GET", "/{}", handler), std::invalid_argument);
    EXPECT_THROW(server.route("GET", "/x{y}", handler), std::invalid_argument);
    EXPECT_THROW(server.route("GET", "/{a...}/b", handler), std::invalid_argument);
    EXPECT_THROW(server.route("GE T", "/a", handler), std::invalid_argument);
    EXPECT_THROW(server.port(), coir::invalid_state);
}

TEST_F(http_server, head_is_get_without_a_body) {
    start();
    for (std::string const target : {"/users/me", "/stream", "/sized"}) {
        std::string const head = ask("HEAD " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(body_of(head), "200 ") << target;
    }
    EXPECT_TRUE(holds(ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), "Content-Length: 4\r\n"));
}

TEST_F(http_server, a_connection_serves_request_after_request) {
    start();
    raw_client client(server_->port());
    for (int i = 0; i < 100; ++i) {
        client.send(get("/users/" + std::to_string(i)));
        std::string const head = client.receive_until("\r\n\r\n");
        EXPECT_TRUE(holds(head, " 200 OK\r\n"));
        std::string const expected = "user " + std::to_string(i);
        ASSERT_EQ(client.receive_exactly(expected.size()), expected);
    }
    EXPECT_EQ(server_->requests(), 100u);
    EXPECT_EQ(server_->connections(), 1u);
}

TEST_F(http_server, closes_when_asked_to) {
    start();
    raw_client client(server_->port());
    client.send(get("/", "Connection: close\r\n"));
    std::string const answer = client.receive_all();
    EXPECT_EQ(body_of(answer), "200 root");
    EXPECT_TRUE(holds(answer, "Connection: close\r\n"));
}

TEST_F(http_server, old_clients_keep_the_connection_only_when_they_ask) {
    start();
    raw_client closes(server_->port());
    closes.send("GET / HTTP/1.0\r\n\r\n");
    EXPECT_EQ(body_of(closes.receive_all()), "200 root");
    raw_client keeps(server_->port());
    keeps.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_TRUE(holds(keeps.receive_until("\r\n\r\n"), "Connection: keep-alive\r\n"));
}

TEST_F(http_server, pipelined_requests_are_answered_in_order) {
    start();
    std::string requests;
    for (int i = 0; i < 1000; ++i) {
        requests += get("/users/" + std::to_string(i));
    }
    std::string const answers = ask(requests);
    std::size_t at = 0;
    for (int i = 0; i < 1000; ++i) {
        std::string const body = "\r\n\r\nuser " + std::to_string(i);
        at = answers.find(body, at);
        ASSERT_NE(at, std::string::npos) << i;
        at += body.size();
    }
    EXPECT_EQ(count_of(answers, "HTTP/1.1 200 OK"), 1000u);
}

TEST_F(http_server, nothing_is_answered_behind_a_bad_request) {
    start();
    std::string const answers = ask(get("/") + "nonsense\r\n\r\n" + get("/"));
    EXPECT_EQ(count_of(answers, "HTTP/1.1 200 OK"), 1u);
    EXPECT_EQ(count_of(answers, "HTTP/1.1 400 "), 1u);
}

TEST_F(http_server, bodies_come_back) {
    start();
    std::string body(1024 * 1024, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) {
        body[i] = static_cast<char>(i * 7);
    }
    std::string const answer =
        ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: x/y\r\nContent-Length: " + std::to_string(body.size()) +
            "\r\n\r\n" + body);
    EXPECT_TRUE(holds(answer.substr(0, 300), "Content-Type: x/y\r\n"));
    EXPECT_TRUE(body_of(answer) == "200 " + body);
}

TEST_F(http_server, asks_for_the_body_that_a_client_holds_back) {
    start();
    raw_client client(server_->port());
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    client.end_sending();
    EXPECT_EQ(body_of(client.receive_all()), "200 hello");
}

TEST_F(http_server, refuses_a_body_before_it_is_sent) {
    start();
    raw_client client(server_->port());
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
    EXPECT_EQ(client.receive_until("\r\n").substr(0, 13), "HTTP/1.1 413 ");
}

TEST_F(http_server, a_client_that_sends_on_still_reads_its_refusal) {
    start();
    std::string const body(3 * 1024 * 1024, 'b');
    std::string const answer =
        ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_EQ(answer.substr(0, 13), "HTTP/1.1 413 ");
}

TEST_F(http_server, a_failing_handler_is_a_500_and_is_reported) {
    start();
    raw_client client(server_->port());
    client.send(get("/fail") + get("/fails-early") + get("/inject") + get("/"));
    client.end_sending();
    std::string const answers = client.receive_all();
    EXPECT_EQ(count_of(answers, "HTTP/1.1 500 Internal Server Error"), 3u);
    EXPECT_EQ(count_of(answers, "HTTP/1.1 200 OK"), 1u);
    EXPECT_FALSE(holds(answers, "Set-Cookie"));
    EXPECT_EQ(unhandled_, 3);
}

TEST_F(http_server, headers_that_would_break_the_message_are_refused) {
    response r;
    EXPECT_THROW(r.set_header("X", "a\r\nb"), std::invalid_argument);
    EXPECT_THROW(r.set_header("X", std::string("a\0b", 3)), std::invalid_argument);
    EXPECT_THROW(r.set_header("X\r\nY", "a"), std::invalid_argument);
    EXPECT_THROW(r.set_header("", "a"), std::invalid_argument);
    EXPECT_THROW(r.set_header("Content-Length", "5"), std::invalid_argument);
    EXPECT_THROW(r.set_header("transfer-encoding", "chunked"), std::invalid_argument);
    r.set_header("X", "a").set_header("x", "b");
    EXPECT_EQ(r.headers.size(), 1u);
}

TEST_F(http_server, a_response_without_body_has_no_length) {
    start();
    for (std::string const target : {"/nothing", "/unmodified", "/nothing-streamed"}) {
        std::string const answer = ask(get(target) + get("/"));
        EXPECT_FALSE(holds(answer.substr(0, answer.find("\r\n\r\n")), "Content-")) << target;
        EXPECT_TRUE(holds(answer, "\r\n\r\nHTTP/1.1 200 ")) << target;
    }
}

TEST_F(http_server, refusal_behind_a_head_request_has_its_body) {
    start();
    EXPECT_TRUE(holds(ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n"), "\r\n\r\nBad Request\n"));
}

TEST_F(http_server, streams_in_chunks) {
    start();
    std::string const answer = ask(get("/stream"));
    EXPECT_TRUE(holds(answer, "Transfer-Encoding: chunked\r\n"));
    EXPECT_TRUE(holds(answer, "X-Part: yes\r\n"));
    EXPECT_EQ(body_of(answer), "200 5\r\npart0\r\n5\r\npart1\r\n5\r\npart2\r\n0\r\n\r\n");
    EXPECT_EQ(body_of(ask("GET /stream HTTP/1.0\r\n\r\n")), "200 part0part1part2");
    EXPECT_EQ(body_of(ask(get("/sized"))), "200 size");
}

TEST_F(http_server, a_stream_that_breaks_has_no_end) {
    start();
    std::string const answer = ask(get("/breaks"));
    EXPECT_TRUE(holds(answer, "begun"));
    EXPECT_FALSE(holds(answer, "0\r\n\r\n"));
    EXPECT_EQ(unhandled_, 1);
}

TEST_F(http_server, survives_clients_that_vanish) {
    start();
    for (int i = 0; i < 5; ++i) {
        for (std::string const& part :
             {std::string(), get("/large"), get("/large").substr(0, 20),
              std::string("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")}) {
            raw_client client(server_->port());
            client.send(part);
            client.vanish();
        }
    }
    EXPECT_EQ(body_of(ask(get("/"))), "200 root");
    while (server_->connections() != 0) {
        std::this_thread::yield();
    }
    EXPECT_EQ(unhandled_, 0);
}

TEST_F(http_server, half_a_request_is_answered_408_in_time) {
    start({.header_timeout = 30ms});
    EXPECT_EQ(ask_until_answered("GET / HT").substr(0, 13), "HTTP/1.1 408 ");
    raw_client silent(server_->port());
    EXPECT_EQ(silent.receive_all(), "");
    EXPECT_EQ(body_of(ask_until_answered(get("/", "Connection: close\r\n"))), "200 root");
}

TEST_F(http_server, half_a_body_is_answered_408_in_time) {
    start({.body_timeout = 30ms});
    raw_client slow(server_->port());
    slow.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    EXPECT_EQ(slow.receive_all().substr(0, 13), "HTTP/1.1 408 ");
}

// Each byte comes long before the time-out between two of them.
TEST_F(http_server, bytes_that_drip_do_not_keep_a_connection) {
    start({.header_timeout = 40ms, .body_timeout = 40ms, .min_body_rate = 1'000'000});
    for (std::string const& begin :
         {std::string("GET /"), "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n"s,
          "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2000;"s}) {
        std::string answer;
        while (answer.empty()) {  // as long as this thread is kept from its processor before the first byte
            raw_client drips(server_->port());
            drips.send(begin);
            int sent = 0;
            while (!drips.has_input() && drips.send("a")) {
                ASSERT_LT(++sent, 5000) << begin;
                std::this_thread::sleep_for(1ms);
            }
            answer = drips.receive_until(" ").append(drips.receive_until(" "));
        }
        EXPECT_EQ(answer, "HTTP/1.1 408 ") << begin;
    }
}

TEST_F(http_server, clients_that_take_nothing_are_given_up) {
    start({.write_timeout = 30ms});
    raw_client takes_no_answer(server_->port());
    takes_no_answer.send(get("/endless"));
    raw_client takes_no_large_one(server_->port());
    takes_no_large_one.send(get("/large") + get("/large"));
    while (server_->requests() < 2 || server_->connections() != 0) {
        std::this_thread::yield();
    }
    EXPECT_EQ(timed_out_, 1);
    EXPECT_EQ(unhandled_, 0);
}

TEST_F(http_server, connections_beyond_the_limit_wait_their_turn) {
    start({.max_connections = 2});
    std::vector<raw_client> clients;
    for (int i = 0; i < 20; ++i) {
        clients.emplace_back(server_->port());
        clients.back().send(get("/crowd", "Connection: close\r\n"));
    }
    for (auto& client : clients) {
        EXPECT_EQ(body_of(client.receive_all()), "200 one of many");
        client.close();  // until then the server waits for that, for a while
    }
    EXPECT_LE(most_at_once_, 2u);
}

TEST_F(http_server, idle_connections_are_closed_in_time) {
    start({.idle_timeout = 30ms});
    raw_client client(server_->port());
    client.send(get("/"));
    EXPECT_EQ(body_of(client.receive_all()), "200 root");
}

TEST_F(http_server, slow_handlers_are_not_cut_by_the_read_timeouts) {
    start({.header_timeout = 20ms, .idle_timeout = 20ms, .body_timeout = 20ms});
    std::optional<raw_client> client;
    do {  // until it does not come too late with its request
        client.emplace(server_->port());
        client->send(get("/hold"));
        while (holding_ == 0 && !client->has_input()) {
            std::this_thread::yield();
        }
    } while (holding_ == 0);
    // One that came later, and does nothing, has been cut when this returns.
    raw_client silent(server_->port());
    EXPECT_EQ(silent.receive_all(), "");
    release_.set();
    EXPECT_EQ(body_of(client->receive_all()), "200 held");
}

TEST_F(http_server, drain_closes_idle_connections_and_finishes_requests) {
    start();
    raw_client idle(server_->port());
    idle.send(get("/"));
    idle.receive_until("root");
    raw_client busy(server_->port());
    busy.send(get("/hold"));
    while (holding_ == 0) {
        std::this_thread::yield();
    }
    std::thread drain([&] { server_->drain(1h); });
    EXPECT_EQ(idle.receive_all(), "");
    while (raw_client(server_->port()).error() != ECONNREFUSED) {
        std::this_thread::yield();
    }
    release_.set();
    std::string const answer = busy.receive_all();
    EXPECT_EQ(body_of(answer), "200 held");
    EXPECT_TRUE(holds(answer, "Connection: close\r\n"));
    drain.join();
    runtime_->block_on([&] { server_->serve_forever(); });
}

TEST_F(http_server, drain_answers_every_request_that_was_sent_before) {
    start({}, 1);
    std::vector<raw_client> clients;
    for (int i = 0; i < 50; ++i) {
        clients.emplace_back(server_->port());
    }
    raw_client busy(server_->port());
    busy.send(get("/hold"));
    while (holding_ == 0) {
        std::this_thread::yield();
    }
    // On connections that are open, and on some that may not have been accepted yet; one request or two.
    for (int i = 0; i < 50; ++i) {
        clients.emplace_back(server_->port());
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i].send(i % 2 == 0 ? get("/") : get("/") + get("/users/me"));
    }
    busy.send(get("/users/me"));
    std::thread drain([&] { server_->drain(1h); });
    for (std::size_t i = 0; i < clients.size(); ++i) {
        std::string const answer = clients[i].receive_all();
        EXPECT_TRUE(answer.ends_with(i % 2 == 0 ? "root" : "myself")) << i << ": " << answer;
    }
    release_.set();
    EXPECT_TRUE(busy.receive_all().ends_with("myself"));
    drain.join();
}

TEST_F(http_server, answer_does_not_wait_for_the_handler_of_the_next_pipelined_request) {
    for (unsigned const workers : {1u, 2u}) {
        start({}, workers);
        raw_client client(server_->port());
        client.send(get("/") + get("/users/me") + get("/hold"));
        std::string answer;
        while (!holds(answer, "myself")) {
            std::string const byte = client.receive_exactly(1);
            ASSERT_FALSE(byte.empty()) << answer;
            answer += byte;
        }
        EXPECT_TRUE(holds(answer, "root"));
        release_.set();
        client.end_sending();
        EXPECT_TRUE(client.receive_all().ends_with("held"));
        server_->drain(1h);
        TearDown();
        release_.clear();
    }
}

TEST_F(http_server, handler_that_lets_the_cancellation_of_something_else_out_is_a_500) {
    start();
    EXPECT_TRUE(holds(ask(get("/awaits-a-cancelled-task")), "500 Internal Server Error"));
    EXPECT_EQ(unhandled_, 1);
}

TEST_F(http_server, drain_does_not_wait_for_half_a_head) {
    start();
    raw_client half(server_->port());
    half.send("GET / HT");
    while (server_->connections() == 0) {
        std::this_thread::yield();
    }
    server_->drain(1h);
    EXPECT_EQ(half.receive_all(), "");
}

TEST_F(http_server, drain_cancels_what_does_not_end) {
    start();
    raw_client busy(server_->port());
    busy.send(get("/hold"));
    while (holding_ == 0) {
        std::this_thread::yield();
    }
    server_->drain(5ms);
    EXPECT_EQ(server_->connections(), 0u);
    EXPECT_EQ(busy.receive_all(), "");
}

TEST_F(http_server, serves_many_connections_at_once) {
    start();
    std::vector<raw_client> clients;
    for (int i = 0; i < 200; ++i) {
        clients.emplace_back(server_->port());
        clients.back().send(get("/hold"));
    }
    while (holding_ < 200) {
        std::this_thread::yield();
    }
    release_.set();
    for (auto& client : clients) {
        EXPECT_TRUE(client.receive_until("held").ends_with("\r\n\r\nheld"));
    }
}

// The client's task waits in the same runtime, so the only thing that can happen is that the limit is reached.
TEST(http_server_clock, time_limits_are_in_the_time_of_the_runtime) {
    coir::run(coir::runtime_options{.workers = 1, .virtual_time = true}, [] {
        http::server server({.header_timeout = 10s});
        server.route("GET", "/", [](request const&) { return response{200, "root"}; });
        server.listen("127.0.0.1", 0);
        auto client = coir::net::open_connection("127.0.0.1", server.port());
        auto const start = coir::clock::now();
        client.write("GET / HT"s);
        EXPECT_EQ(client.read_exactly(13), "HTTP/1.1 408 ");
        EXPECT_GE(coir::clock::now() - start, 10s);
        EXPECT_LT(coir::clock::now() - start, 20s);
    });
}

}  // namespace
