// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

#include <sys/syscall.h>
#include <unistd.h>

namespace coir::detail {

/// Whether the byte may be read, without dying of it: the kernel is asked to read it. Past the libraries' wrapper,
/// because AddressSanitizer checks the memory of idle stacks there.
inline bool accessible(std::byte const* address) {
    std::array<int, 2> ends;
    if (::pipe(ends.data()) != 0) {
        throw std::system_error(errno, std::generic_category(), "pipe");
    }
    bool const read = ::syscall(SYS_write, ends[1], address, std::size_t{1}) == 1;
    ::close(ends[0]);
    ::close(ends[1]);
    return read;
}

}  // namespace coir::detail
