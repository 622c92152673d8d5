// SPDX-License-Identifier: BSL-1.0
#pragma once

// How a function is called by its name across processes: the image that it stands in (the program or a shared library),
// told by its build-id, and its offset there. Addresses differ between processes (ASLR); names made of types collide for
// overloads and lambdas.

#include <coir/executors/process/archive.hpp>

#include <cstdint>
#include <string>

namespace coir::detail {

struct function_name {
    std::string image;         // "b" and its build-id, or "h" and a hash of its code where it has none
    std::uint64_t offset = 0;  // of the function from where the image is loaded
    std::string path;          // of a library, absolute, for a worker that has not loaded it; empty for the program
};

/// Of the function at this address. Throws std::logic_error if it stands in no loaded image (made at run time).
function_name name_of_function(void const* address);

/// Its address here. A library that is not loaded is loaded from its path. Throws std::runtime_error if this process has
/// no such image, or no code there.
void* address_of_function(function_name const& name);

/// The identity of the program itself, as in function_name::image.
std::string const& program_image();

/// As it stands in messages.
void write_name(wire_output& out, function_name const& name);
function_name read_name(wire_input& in);

}  // namespace coir::detail
