// SPDX-License-Identifier: BSL-1.0
#include "executors/process/request_impl.hpp"

#include <coir/core/base/errors.hpp>

#include <cstring>
#include <new>

namespace coir::detail {
namespace {

constexpr std::size_t k_place_size = 2 * sizeof(std::uint64_t) + 1;

}  // namespace

byte_buffer begin_job_frame(std::string const& function) {
    byte_buffer frame = begin_frame_buffer();
    frame.resize(k_frame_header_size + k_place_size + sizeof(clock::rep), std::byte{0});
    write_segment_place(frame, {});
    write_deadline(frame, clock::time_point::max());
    auto const* const name = reinterpret_cast<std::byte const*>(function.data());
    frame.insert(frame.end(), name, name + function.size());
    return frame;
}

void write_segment_place(byte_buffer& job_frame, segment_place const& place) noexcept {
    std::byte* const at = job_frame.data() + k_frame_header_size;
    std::memcpy(at, &place.id, sizeof place.id);
    std::memcpy(at + sizeof place.id, &place.capacity, sizeof place.capacity);
    at[k_place_size - 1] = static_cast<std::byte>(place.keep ? 1 : 0);
}

segment_place read_segment_place(wire_input& in) {
    segment_place place;
    in.read(&place.id, sizeof place.id);
    in.read(&place.capacity, sizeof place.capacity);
    in.read_bool(place.keep);
    return place;
}

void write_deadline(byte_buffer& job_frame, clock::time_point deadline) noexcept {
    clock::rep const ticks = deadline.time_since_epoch().count();
    std::memcpy(job_frame.data() + k_frame_header_size + k_place_size, &ticks, sizeof ticks);
}

clock::time_point read_deadline(wire_input& in) {
    clock::rep ticks = 0;
    in.read(&ticks, sizeof ticks);
    return clock::time_point(clock::duration(ticks));
}

void write_setup(wire_output& out, setup_message const& message) {
    out.write(&message.number, sizeof message.number);
    out.write(&message.memory_limit, sizeof message.memory_limit);
    out.write(&message.cpu_limit_seconds, sizeof message.cpu_limit_seconds);
    out.write_span(message.initializer);
}

setup_message read_setup(wire_input& in) {
    setup_message message;
    in.read(&message.number, sizeof message.number);
    in.read(&message.memory_limit, sizeof message.memory_limit);
    in.read(&message.cpu_limit_seconds, sizeof message.cpu_limit_seconds);
    auto const name = in.read_span();
    message.initializer.assign(name.begin(), name.end());
    in.expect_end();
    return message;
}

void write_hello(wire_output& out, hello_message const& message) {
    out.write(message.secret.data(), message.secret.size());
    out.write_span(std::as_bytes(std::span(message.program.data(), message.program.size())));
}

hello_message read_hello(wire_input& in) {
    hello_message message;
    in.read(message.secret.data(), message.secret.size());
    auto const program = in.read_span();
    message.program.assign(reinterpret_cast<char const*>(program.data()), program.size());
    in.expect_end();
    return message;
}

std::exception_ptr timed_out(char const* what) noexcept {
    try {
        return std::make_exception_ptr(timeout_error(what));
    } catch (std::bad_alloc const&) {
        return std::current_exception();
    }
}

}  // namespace coir::detail
