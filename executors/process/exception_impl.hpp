// SPDX-License-Identifier: BSL-1.0
#pragma once

// Exceptions as bytes. What is thrown again has the same type if that is one of the standard library's (or one of coir's
// that a job may meet), and exactly that: a class derived from it would lose what it adds without a word, and is a
// remote_exception instead.

#include <coir/executors/process/archive.hpp>

#include <exception>

namespace coir::detail {

/// The exception being handled.
void write_current_exception(wire_output& out);

/// Throws wire_error for what write_current_exception() does not write.
std::exception_ptr read_exception(wire_input& in);

}  // namespace coir::detail
