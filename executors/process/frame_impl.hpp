// SPDX-License-Identifier: BSL-1.0
#pragma once

// Messages between a pool and a worker: a header of 24 bytes, then a body of the length that it says.
//
//   0  magic "coir", which also tells a version of this layout from the next
//   4  kind
//   8  number of the job, 0 where there is none
//  16  length of the body
// All little-endian.

#include <coir/executors/process/bytes.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>

namespace coir::detail {

enum class frame_kind : std::uint32_t {
    setup = 1,     // to the worker: limits, initializer
    job,           // to the worker: function, arguments
    hello,         // from the worker: who it is
    ready,         // from the worker: the initializer has returned
    start_failed,  // from the worker: the initializer has thrown
    value,         // from the worker: a job's result
    error,         // from the worker: what a job threw
    overflow,      // from the worker: the job, or the initializer, has overflowed its stack, and the worker ends
};

struct frame_header {
    frame_kind kind = frame_kind::setup;
    std::uint64_t job = 0;
    std::uint64_t size = 0;
};

inline constexpr std::size_t k_frame_header_size = 24;

/// A peer has sent what no peer sends.
class protocol_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

void write_header(std::span<std::byte, k_frame_header_size> to, frame_header const& header) noexcept;
/// Throws protocol_error for anything that write_header() does not write, and for bodies beyond `largest`.
frame_header read_header(std::span<std::byte const, k_frame_header_size> from, std::size_t largest = k_largest_frame);

/// A buffer with room for the header in front; finish_frame() fills that in.
byte_buffer begin_frame_buffer(std::size_t capacity = 256);
void finish_frame(byte_buffer& frame, frame_kind kind, std::uint64_t job = 0);

struct frame {
    frame_header header;
    byte_buffer body;
};

/// Puts frames together from bytes as they come. Memory is taken as the bytes arrive, not as the header promises.
class frame_reader {
public:
    explicit frame_reader(std::size_t largest = k_largest_frame) noexcept : largest_(largest) {}

    /// Where the next bytes belong; never empty.
    std::span<std::byte> space();
    /// So many bytes have been put there.
    void advance(std::size_t count) noexcept;
    /// The next frame that is whole. Throws protocol_error, and is of no use afterwards.
    std::optional<frame> next();
    /// Has a frame begun that is not whole?
    bool in_the_middle() const noexcept { return in_body_ || staged_begin_ != staged_end_; }

private:
    std::span<std::byte const> staged() const noexcept {
        return std::span<std::byte const>(staging_).subspan(staged_begin_, staged_end_ - staged_begin_);
    }
    void move_to_body(std::size_t count);

    std::size_t const largest_;
    std::array<std::byte, 16 * 1024> staging_;
    std::size_t staged_begin_ = 0;
    std::size_t staged_end_ = 0;
    bool in_body_ = false;
    frame_header header_;
    byte_buffer body_;           // its size: what there is room for
    std::size_t body_have_ = 0;  // of which so many bytes have arrived
};

}  // namespace coir::detail
