// SPDX-License-Identifier: BSL-1.0
#include "core/io/foreign_descriptor.hpp"

#include <coir/core/base/errno_of.hpp>

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace coir::detail {
namespace {

[[noreturn]] void throw_errno(int error) {
    throw std::system_error(error, std::system_category(), "coir: cannot wait for this descriptor");
}

int copy_of(int fd) {
    auto const copy = errno_of(
        +[](int original) { return ::fcntl(original, F_DUPFD_CLOEXEC, 0); }, fd);
    if (!copy) {
        throw_errno(copy.error);
    }
    return copy.value;
}

fd_slot& slot_for(int copy) {
    try {
        return fd_slot::open(copy);
    } catch (...) {
        errno_of(&::close, copy);
        throw;
    }
}

}  // namespace

foreign_descriptor::foreign_descriptor(int fd, io_direction d) : slot_(slot_for(copy_of(fd))), direction_(d) {
    slot_.enter();
}

foreign_descriptor::~foreign_descriptor() {
    slot_.close();
    slot_.exit();
}

bool foreign_descriptor::is_ready(int fd, io_direction d) {
    for (;;) {
        pollfd entry{fd, static_cast<short>(d == io_direction::read ? POLLIN | POLLRDHUP : POLLOUT), 0};
        auto const result = errno_of(&::poll, &entry, nfds_t{1}, 0);
        if (result.error == EINTR) {
            continue;
        }
        if (!result) {
            throw_errno(result.error);
        }
        if ((entry.revents & POLLNVAL) != 0) {
            throw_errno(EBADF);
        }
        return result.value != 0;
    }
}

bool foreign_descriptor::is_ready() {
    io_readiness& readiness = slot_.direction(direction_);
    std::uint32_t const seen = readiness.snapshot();
    if (is_ready(slot_.fd(), direction_)) {
        return true;
    }
    readiness.clear_ready(seen);
    return false;
}

bool foreign_descriptor::wait(clock::time_point deadline) {
    return slot_.wait(direction_, deadline) == io_wait_result::ready;
}

bool wait_for_descriptor(int fd, io_direction d, clock::time_point deadline) {
    throw_if_cancel_pending();
    if (foreign_descriptor::is_ready(fd, d)) {
        return true;
    }
    foreign_descriptor descriptor(fd, d);
    return descriptor.is_ready() || descriptor.wait(deadline);
}

}  // namespace coir::detail
