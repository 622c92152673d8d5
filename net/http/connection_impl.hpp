// SPDX-License-Identifier: BSL-1.0
#pragma once

// One client's connection: reads requests, has them answered in their order, and writes the answers, those of several
// pipelined requests at once.
//
// Roles: the connection's task owns it. The server's watch and a drain look at deadline_ and may_be_ended_, and end the
// reading side of the socket when they find it late, or idle: what has arrived is still read, and then comes the end.
// So no timer is armed for a read.

#include "net/http/parser_impl.hpp"
#include "net/http/server_impl.hpp"

#include <coir/net/tcp_stream.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <exception>
#include <memory>
#include <string>
#include <system_error>

namespace coir::net::http {

class connection {
public:
    connection(server::state& home, tcp_stream peer);
    connection(connection const&) = delete;
    connection& operator=(connection const&) = delete;
    ~connection();

    /// Until the client or the server ends it.
    void run();

private:
    friend class response_writer;
    class flush_before_suspension;
    friend struct server::state;

    bool take_input();
    bool read_more();
    void answer();
    template <class Handler>
    std::exception_ptr run_handler(Handler handler);
    void answer_whole(route_handler const& route);
    void answer_streaming(route_handler const& route);
    void answer_error(int status, bool keep, std::string_view allow = {});
    void invite_body();
    bool stays_open();
    void begin_wait();
    clock::time_point body_deadline(clock::time_point now);
    void append_head(response const& r, std::uint64_t length, bool has_length, bool chunked, bool keep);
    void append_response(response const& r, bool keep);
    void append_date();
    bool is_valid(response const& r) const noexcept;
    void flush();
    void write_what_the_system_takes() noexcept;
    void end_gently();
    void end_reading() noexcept;

    server::state& home_;
    std::shared_ptr<tcp_stream> const peer_;  // shared with whoever is just ending its reading side
    request_parser parser_;

    std::unique_ptr<char[]> input_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::string output_;
    bool keep_ = true;     // after the present answer
    bool broken_ = false;  // nothing can be written any more
    bool read_ended_ = false;
    std::error_code write_error_;
    bool invited_ = false;
    clock::time_point head_since_;  // when the request began to come, or the connection
    clock::time_point body_since_;  // when its body was first waited for

    std::time_t date_second_ = 0;
    char date_[32] = {};

    std::atomic<clock::rep> deadline_{0};    // 0: none
    std::atomic<bool> may_be_ended_{false};  // by a drain
    std::atomic<bool> is_late_{false};
    connection* next_ = nullptr;  // in the server's list
    connection* previous_ = nullptr;
};

}  // namespace coir::net::http
