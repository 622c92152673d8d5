// SPDX-License-Identifier: BSL-1.0
#include "executors/process/bell_impl.hpp"

#include "core/base/forked.hpp"

#include <coir/core/base/errno_of.hpp>

#include <cstdint>

#include <sys/eventfd.h>
#include <unistd.h>

namespace coir::detail {

answer_bell answer_bell::make() {
    int const fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        throw_errno("coir: eventfd of a worker's bell");
    }
    owned_descriptor guard(fd);
    answer_bell made(fd_slot::open(fd, true));
    guard.release();
    return made;
}

answer_bell::~answer_bell() {
    // A fork that ends its copy of the pool has its parent's poller, and must not take the bell out of it.
    if (slot_ != nullptr && !in_a_fork.load(std::memory_order_relaxed)) {
        slot_->close();
    }
}

bool ring(int bell) noexcept {
    std::uint64_t const one = 1;
    return errno_of(&::write, bell, static_cast<void const*>(&one), sizeof one).value == sizeof one;
}

}  // namespace coir::detail
