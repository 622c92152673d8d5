// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cerrno>
#include <system_error>
#include <utility>

#include <unistd.h>

namespace coir::detail {

/// errno as a std::system_error. Right behind the call that has failed.
[[noreturn]] inline void throw_errno(char const* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

/// A file descriptor that is closed with its owner.
class owned_descriptor {
public:
    owned_descriptor() = default;
    explicit owned_descriptor(int fd) noexcept : fd_(fd) {}
    owned_descriptor(owned_descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    owned_descriptor& operator=(owned_descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~owned_descriptor() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    /// Somebody else closes it.
    void release() noexcept { fd_ = -1; }
    void reset() noexcept {
        if (int const fd = std::exchange(fd_, -1); fd >= 0) {
            ::close(fd);
        }
    }

private:
    int fd_ = -1;
};

}  // namespace coir::detail
