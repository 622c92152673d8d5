// SPDX-License-Identifier: BSL-1.0
#include "executors/process/channel_impl.hpp"

#include <coir/core/base/errno_of.hpp>

#include <algorithm>
#include <cstring>

#include <sys/socket.h>
#include <sys/uio.h>

namespace coir::detail {
namespace {

union descriptor_room {
    cmsghdr header;  // for its alignment
    char bytes[CMSG_SPACE(k_most_passed * sizeof(int))];
};

}  // namespace

channel_result send_some(int socket, std::span<std::byte const> bytes, std::span<int const> passed,
                         bool may_block) noexcept {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    descriptor_room room{};
    if (!passed.empty()) {
        message.msg_control = room.bytes;
        message.msg_controllen = CMSG_SPACE(passed.size_bytes());
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(passed.size_bytes());
        std::memcpy(CMSG_DATA(header), passed.data(), passed.size_bytes());
    }
    for (;;) {
        auto const sent = errno_of(&::sendmsg, socket, static_cast<msghdr const*>(&message),
                                   MSG_NOSIGNAL | (may_block ? 0 : MSG_DONTWAIT));
        if (sent) {
            return {static_cast<std::size_t>(sent.value), 0};
        }
        if (sent.error != EINTR) {
            return {0, sent.error};
        }
    }
}

channel_result receive_some(int socket, std::span<std::byte> to) noexcept {
    for (;;) {
        auto const received =
            errno_of(&::recv, socket, static_cast<void*>(to.data()), to.size(), static_cast<int>(MSG_DONTWAIT));
        if (received) {
            return {static_cast<std::size_t>(received.value), 0};
        }
        if (received.error != EINTR) {
            return {0, received.error};
        }
    }
}

channel_result receive_with_descriptors(int socket, std::span<std::byte> to, passed_descriptors& passed) noexcept {
    iovec part{to.data(), to.size()};
    descriptor_room room{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room.bytes;
    message.msg_controllen = sizeof room.bytes;
    for (;;) {
        auto const received = errno_of(&::recvmsg, socket, &message, static_cast<int>(MSG_CMSG_CLOEXEC));
        if (!received) {
            if (received.error == EINTR) {
                continue;
            }
            return {0, received.error};
        }
        cmsghdr const* const header = CMSG_FIRSTHDR(&message);
        if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            std::size_t const count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (std::size_t i = 0; i < std::min(count, passed.size()); ++i) {
                int fd = -1;
                std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
                passed[i] = owned_descriptor(fd);
            }
        }
        return {static_cast<std::size_t>(received.value), 0};
    }
}

bool send_all(int socket, std::span<std::byte const> bytes) noexcept {
    while (!bytes.empty()) {
        auto const sent = send_some(socket, bytes, {}, true);
        if (sent.error != 0) {
            return false;
        }
        bytes = bytes.subspan(sent.count);
    }
    return true;
}

}  // namespace coir::detail
