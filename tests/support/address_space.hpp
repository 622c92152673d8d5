// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

namespace coir::test {

/// From here on this process gets so many bytes of address space more than it has. For death tests.
inline void limit_address_space_to(std::size_t more) {
    std::ifstream statm("/proc/self/statm");
    std::size_t pages = 0;
    statm >> pages;
    rlimit limit{};
    limit.rlim_cur = limit.rlim_max = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + more;
    if (::setrlimit(RLIMIT_AS, &limit) != 0) {
        std::perror("setrlimit");
        std::_Exit(2);
    }
}

/// No malloc() of 16 bytes and more succeeds from here on, but for what a thread has cached. Not for sanitizers.
inline void use_up_all_memory() {
    limit_address_space_to(0);
    for (std::size_t size = std::size_t{1} << 20; size >= 16; size /= 2) {
        void* volatile kept = nullptr;
        do {
            kept = std::malloc(size);
        } while (kept != nullptr);
    }
}

}  // namespace coir::test
