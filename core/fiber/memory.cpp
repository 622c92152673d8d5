// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/memory.hpp"

#include "core/base/fault.hpp"

#include <coir/core/base/config.hpp>

#include <cerrno>

#include <sys/mman.h>
#include <unistd.h>

namespace coir::detail {

std::size_t page_size() noexcept {
    static std::size_t const size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

std::size_t whole_pages(std::size_t bytes) noexcept {
    std::size_t const page = page_size();
    return (bytes + page - 1) / page * page;
}

// errno_of tells failure by a negative value, which a pointer has not. Opaque for the reason that errno_of is.
COIR_NOIPA syscall_result<std::byte*> map_memory(std::size_t bytes) noexcept {
    if (COIR_FAULT(stack_memory)) {
        return {nullptr, ENOMEM};
    }
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        return {nullptr, errno};
    }
    return {static_cast<std::byte*>(memory), 0};
}

}  // namespace coir::detail
