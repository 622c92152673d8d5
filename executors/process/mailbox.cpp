// SPDX-License-Identifier: BSL-1.0
#include "executors/process/mailbox_impl.hpp"

#include "core/base/futex.hpp"
#include "core/base/thread_count.hpp"

#include <cstring>
#include <new>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace coir::detail {
namespace {

void* map(int fd) {
    void* const address = ::mmap(nullptr, sizeof(mailbox), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED) {
        throw_errno("coir: mmap of a worker's mailbox");
    }
    return address;
}

}  // namespace

mail_slot::receiver mail_slot::try_post(std::span<std::byte const> message, bool can_ring) noexcept {
    auto const falls_asleep = [can_ring](std::uint32_t s) { return s == asleep || (s == at_bell && can_ring); };
    std::uint32_t seen = state_.load(std::memory_order_acquire);
    if (message.size() > k_room || (seen != waiting && !falls_asleep(seen))) {
        return receiver::elsewhere;
    }
    std::memcpy(bytes_.data(), message.data(), message.size());
    size_.store(message.size(), std::memory_order_relaxed);
    // Twice if the receiver falls asleep meanwhile.
    while (!state_.compare_exchange_strong(seen, full, std::memory_order_release, std::memory_order_relaxed)) {
        if (!falls_asleep(seen)) {
            return receiver::elsewhere;
        }
    }
    if (seen == asleep) {
        wake();
        return receiver::sleeps;
    }
    return seen == at_bell ? receiver::hears : receiver::looks;
}

bool mail_slot::point_to_socket() noexcept {
    std::uint32_t seen = waiting;
    // Twice if the receiver falls asleep meanwhile.
    while (!state_.compare_exchange_strong(seen, look, std::memory_order_relaxed)) {
        if (seen != asleep && seen != at_bell) {
            return false;
        }
    }
    return seen == asleep;
}

void mail_slot::wake() noexcept {
    futex_wake_shared(state_, 1);
}

bool mail_slot::begin() noexcept {
    std::uint32_t expected = idle;
    return state_.compare_exchange_strong(expected, waiting, std::memory_order_release, std::memory_order_relaxed);
}

bool mail_slot::still_sleeps(std::chrono::steady_clock::time_point deadline) noexcept {
    if (state_.load(std::memory_order_relaxed) != asleep) {
        return false;
    }
    wakes_nobody const blocked;
    return futex_wait_shared_until(state_, asleep, deadline);
}

void mail_slot::rouse() noexcept {
    std::uint32_t expected = asleep;
    state_.compare_exchange_strong(expected, look);  // partner: the one in sleep_until()
    wake();                                          // whatever the worker has made of the state
}

bool mail_slot::end() noexcept {
    // What the receiver has made of it, what somebody may have made of that; and no more, whatever a worker does.
    std::uint32_t seen = waiting;
    for (int i = 0; i < 3; ++i) {
        if (state_.compare_exchange_strong(seen, idle, std::memory_order_relaxed)) {
            return false;
        }
        if (seen != waiting && seen != asleep && seen != at_bell && seen != look) {
            break;
        }
    }
    return is_full();
}

bool mail_slot::claim() noexcept {
    std::uint32_t expected = full;
    return state_.compare_exchange_strong(expected, idle, std::memory_order_acquire, std::memory_order_relaxed);
}

std::optional<std::size_t> mail_slot::read(std::span<std::byte> to) const noexcept {
    std::uint64_t const size = size_.load(std::memory_order_relaxed);  // once: it may change
    if (size > k_room || size > to.size()) {
        return std::nullopt;
    }
    std::memcpy(to.data(), bytes_.data(), static_cast<std::size_t>(size));
    return static_cast<std::size_t>(size);
}

mailbox_mapping mailbox_mapping::make(owned_descriptor& descriptor) {
    owned_descriptor memory(::memfd_create("coir-mailbox", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!memory) {
        throw_errno("coir: memfd_create of a worker's mailbox");
    }
    if (::ftruncate(memory.get(), sizeof(mailbox)) != 0 ||
        ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        throw_errno("coir: the size of a worker's mailbox");
    }
    mailbox_mapping result(::new (map(memory.get())) mailbox);
    descriptor = std::move(memory);
    return result;
}

mailbox_mapping mailbox_mapping::open(owned_descriptor descriptor) {
    void* const address = map(descriptor.get());
    ::madvise(address, sizeof(mailbox), MADV_DONTFORK);
    return mailbox_mapping(static_cast<mailbox*>(address));
}

mailbox_mapping::mailbox_mapping(mailbox_mapping&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}

mailbox_mapping& mailbox_mapping::operator=(mailbox_mapping&& other) noexcept {
    std::swap(box_, other.box_);
    return *this;
}

mailbox_mapping::~mailbox_mapping() {
    if (box_ != nullptr) {
        ::munmap(box_, sizeof(mailbox));
    }
}

}  // namespace coir::detail
