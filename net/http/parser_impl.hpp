// SPDX-License-Identifier: BSL-1.0
#pragma once

// Turns bytes, in pieces of any size, into one request after another.
//
// llhttp parses the head. Before each byte reaches it, it has passed checks of our own, because llhttp lets through
// what others read differently (folded lines, bare line feeds, a missing or second Host). Both see every byte as it
// comes, so that nonsense is refused at its first byte. The body, whose length the checked head says, is taken apart
// here.

#include <coir/net/http/message.hpp>
#include <coir/net/http/options.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <llhttp.h>

namespace coir::net::http {

class request_parser {
public:
    enum class stage : std::uint8_t { head, body, complete, failed };

    explicit request_parser(server_options const& limits);
    request_parser(request_parser const&) = delete;
    request_parser& operator=(request_parser const&) = delete;

    /// Forgets the request and waits for the next one.
    void reset();
    /// Returns how many bytes it has taken. Stops behind the head, behind the request, and at an error.
    std::size_t feed(char const* data, std::size_t size);

    stage where() const noexcept { return stage_; }
    /// Nothing has come of this request yet.
    bool at_start() const noexcept { return stage_ == stage::head && message_.head_.empty(); }
    /// With stage::failed: the status to answer with.
    int status() const noexcept { return status_; }

    request& message() noexcept { return message_; }
    /// Valid from stage::body on:
    bool keep_alive() const noexcept { return keep_alive_; }
    bool expects_continue() const noexcept { return expects_continue_; }

private:
    struct callbacks;

    enum class in_chunk : std::uint8_t { size, extension, size_lf, data, data_cr, data_lf, trailer, last_lf };
    enum class framing : std::uint8_t { none, length, chunked };

    std::size_t feed_head(char const* data, std::size_t size);
    std::size_t scan_head(char const* data, std::size_t size);
    std::size_t feed_length(char const* data, std::size_t size);
    std::size_t feed_chunked(char const* data, std::size_t size);
    bool chunk_byte(char c);
    bool end_of_trailer_line();
    llhttp_errno_t show_llhttp(char const* data, std::size_t size);
    void on_field(char const* at, std::size_t size, bool value);
    int judge_request_line() const;
    void end_of_head();
    int check_head();
    int check_target();
    int check_authority(std::string_view authority);
    int check_field(std::string_view name, std::string_view value);
    int check_transfer_encoding(std::string_view value);
    void fail(int status) noexcept {
        stage_ = stage::failed;
        status_ = status;
    }

    server_options const& limits_;
    llhttp_t llhttp_;
    request message_;
    stage stage_ = stage::head;
    int status_ = 0;

    // Of the head. Its bytes are appended to message_.head_ before llhttp sees them at `fed_`.
    char const* fed_ = nullptr;
    std::size_t fed_begin_ = 0;
    std::size_t line_ = 0;  // number of the line that is being read
    std::size_t line_size_ = 0;
    unsigned spaces_ = 0;  // of the request line
    bool after_space_ = false;
    bool after_cr_ = false;
    bool in_name_ = false;
    bool scan_ended_ = false;  // the head has ended: by our own reading, and by llhttp's
    bool head_ended_ = false;
    bool llhttp_gave_up_ = false;  // at the request line, of which more is needed to say why
    bool last_was_value_ = false;
    request::piece target_;

    // What the head says.
    std::uint64_t length_ = 0;
    unsigned hosts_ = 0;
    unsigned lengths_ = 0;
    framing framing_ = framing::none;
    bool keep_alive_ = true;
    bool asks_close_ = false;
    bool asks_keep_alive_ = false;
    bool expects_continue_ = false;
    bool has_transfer_encoding_ = false;

    // Of the body.
    std::uint64_t left_ = 0;  // of the body, or of the chunk
    in_chunk chunk_ = in_chunk::size;
    unsigned size_digits_ = 0;
    std::size_t extension_bytes_ = 0;
    std::size_t trailer_bytes_ = 0;
    std::size_t trailers_ = 0;
    std::string trailer_;
};

}  // namespace coir::net::http
