// SPDX-License-Identifier: BSL-1.0
#include "bench/support/child.hpp"

#include "bench/support/paired.hpp"

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

void run_in_child(std::function<void(void* result)> const& body, void* result, std::size_t size) {
    void* const shared = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        throw std::system_error(errno, std::generic_category(), "mmap");
    }
    pid_t const child = ::fork();
    if (child == -1) {
        throw std::system_error(errno, std::generic_category(), "fork");
    }
    if (child == 0) {
        ::_exit(guarded_main([&] { body(shared); }));
    }
    int status = 0;
    while (::waitpid(child, &status, 0) == -1 && errno == EINTR) {
    }
    std::memcpy(result, shared, size);
    ::munmap(shared, size);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        throw std::runtime_error("a measurement in a child process failed, wait status " + std::to_string(status));
    }
}

}  // namespace bench
