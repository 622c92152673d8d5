// SPDX-License-Identifier: BSL-1.0
#include "executors/process/frame_impl.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace coir::detail {
namespace {

constexpr std::uint32_t k_magic = 0x3172'6f63;  // "cor1"
// How much memory a body may take beyond what has arrived.
constexpr std::size_t k_step = 256 * 1024;

template <class T>
void put(std::byte* to, T value) noexcept {
    for (std::size_t i = 0; i < sizeof value; ++i) {
        to[i] = static_cast<std::byte>((value >> (8 * i)) & 0xff);
    }
}

template <class T>
T get(std::byte const* from) noexcept {
    T value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) {
        value = static_cast<T>(value | (static_cast<T>(from[i]) << (8 * i)));
    }
    return value;
}

}  // namespace

void write_header(std::span<std::byte, k_frame_header_size> to, frame_header const& header) noexcept {
    put(to.data(), k_magic);
    put(to.data() + 4, static_cast<std::uint32_t>(header.kind));
    put(to.data() + 8, header.job);
    put(to.data() + 16, header.size);
}

frame_header read_header(std::span<std::byte const, k_frame_header_size> from, std::size_t largest) {
    if (get<std::uint32_t>(from.data()) != k_magic) {
        throw protocol_error("bytes that are no message");
    }
    auto const kind = get<std::uint32_t>(from.data() + 4);
    if (kind < static_cast<std::uint32_t>(frame_kind::setup) ||
        kind > static_cast<std::uint32_t>(frame_kind::overflow)) {
        throw protocol_error("a message of an unknown kind");
    }
    auto const size = get<std::uint64_t>(from.data() + 16);
    if (size > largest) {
        throw protocol_error("a message of " + std::to_string(size) + " bytes");
    }
    return {static_cast<frame_kind>(kind), get<std::uint64_t>(from.data() + 8), size};
}

byte_buffer begin_frame_buffer(std::size_t capacity) {
    byte_buffer frame;
    frame.reserve(capacity);
    frame.resize(k_frame_header_size);
    return frame;
}

void finish_frame(byte_buffer& frame, frame_kind kind, std::uint64_t job) {
    if (frame.size() - k_frame_header_size > k_largest_frame) {
        throw std::length_error("coir::process_pool_executor: more than 1 GiB of arguments or results in one job");
    }
    write_header(std::span(frame).first<k_frame_header_size>(), {kind, job, frame.size() - k_frame_header_size});
}

std::span<std::byte> frame_reader::space() {
    if (in_body_ && staged_begin_ == staged_end_) {
        if (body_have_ == body_.size()) {
            // Twice what has arrived, so that copying stays linear.
            body_.resize(std::min(static_cast<std::size_t>(header_.size), body_have_ + std::max(k_step, body_have_)));
        }
        return std::span(body_).subspan(body_have_);
    }
    if (staged_begin_ == staged_end_) {
        staged_begin_ = staged_end_ = 0;
    } else if (staged_begin_ != 0) {
        std::memmove(staging_.data(), staging_.data() + staged_begin_, staged_end_ - staged_begin_);
        staged_end_ -= std::exchange(staged_begin_, 0);
    }
    return std::span(staging_).subspan(staged_end_);
}

void frame_reader::advance(std::size_t count) noexcept {
    if (in_body_ && staged_begin_ == staged_end_) {
        body_have_ += count;
    } else {
        staged_end_ += count;
    }
}

void frame_reader::move_to_body(std::size_t count) {
    if (body_.size() - body_have_ < count) {
        body_.resize(body_have_ + count);
    }
    if (count != 0) {
        std::memcpy(body_.data() + body_have_, staging_.data() + staged_begin_, count);
    }
    body_have_ += count;
    staged_begin_ += count;
}

std::optional<frame> frame_reader::next() {
    if (!in_body_) {
        auto const have = staged();
        if (have.size() < k_frame_header_size) {
            return std::nullopt;
        }
        header_ = read_header(have.first<k_frame_header_size>(), largest_);
        staged_begin_ += k_frame_header_size;
        in_body_ = true;
        body_.clear();
        body_have_ = 0;
    }
    auto const missing = static_cast<std::size_t>(header_.size) - body_have_;
    move_to_body(std::min(missing, staged_end_ - staged_begin_));
    if (body_have_ < header_.size) {
        return std::nullopt;
    }
    in_body_ = false;
    body_.resize(body_have_);
    return frame{header_, std::exchange(body_, {})};
}

}  // namespace coir::detail
