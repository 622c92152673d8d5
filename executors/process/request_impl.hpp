// SPDX-License-Identifier: BSL-1.0
#pragma once

// The bodies of the messages to and from a worker that are not plain values.

#include "executors/process/frame_impl.hpp"
#include "executors/process/image_impl.hpp"
#include "executors/process/spawn_impl.hpp"

#include <coir/core/base/clock.hpp>
#include <coir/executors/process/archive.hpp>

#include <cstdint>
#include <exception>
#include <string>

namespace coir::detail {

/// The segment that a job's message refers to; a capacity of 0: none.
struct segment_place {
    std::uint64_t id = 0;
    std::uint64_t capacity = 0;
    bool keep = false;  ///< the worker will need its mapping again
};

/// A job's message up to its arguments, which follow: room for a segment_place and a deadline, the function's name.
byte_buffer begin_job_frame(std::string const& function);
void write_segment_place(byte_buffer& job_frame, segment_place const& place) noexcept;
segment_place read_segment_place(wire_input& in);
/// Follows the segment_place. The deadline itself, and not how much is left: both processes read the same steady clock, and a
/// message may lie in the channel for long.
void write_deadline(byte_buffer& job_frame, clock::time_point deadline) noexcept;
clock::time_point read_deadline(wire_input& in);

/// What timeout_error says of a job that was not begun, and of one that was ended.
inline constexpr char k_late_job[] = "timed out: the deadline of a job passed before a worker process got to it";
inline constexpr char k_overdue_job[] = "timed out: a job was killed with its worker process at its deadline";
/// timeout_error with this text; without memory for it, std::bad_alloc.
std::exception_ptr timed_out(char const* what) noexcept;

struct setup_message {
    std::uint64_t number = 0;
    std::uint64_t memory_limit = 0;
    std::uint64_t cpu_limit_seconds = 0;
    byte_buffer initializer;  // its name, or empty
};

void write_setup(wire_output& out, setup_message const& message);
setup_message read_setup(wire_input& in);

struct hello_message {
    nonce secret{};
    std::string program;
};

void write_hello(wire_output& out, hello_message const& message);
hello_message read_hello(wire_input& in);

}  // namespace coir::detail
