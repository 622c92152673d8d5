// SPDX-License-Identifier: BSL-1.0
#pragma once

// The short way between a pool and a worker: shared memory for one small message in each direction, used only while the
// receiver is looking. Whoever finds that nobody looks sends through the socket, which wakes the receiver; so there is no
// sleeping on this memory, and nothing to be lost.
//
// Roles: one sender and one receiver for each slot, in different processes.
//
// `state` of a slot
//   idle -> waiting     the receiver begins to look
//   waiting -> full     the sender has put a message there
//   waiting -> look     the sender has sent something through the socket instead
//   full -> idle        the receiver takes the message
//   waiting, look -> idle   the receiver gives up; if the compare-exchange fails, the message has come after all
//
// Invariants
//   1. The sender writes `size` and `bytes` while the receiver waits, and publishes them by waiting -> full. If that fails
//      the message goes through the socket.
//   2. The pool believes nothing that it reads here: it copies a message of a size within the slot, and then treats the
//      copy like bytes from the socket. The size of the memory is sealed, so that no access faults.
//   3. A worker can claim any state at any time. Whatever it does, each step of the pool's ends.

#include "executors/process/descriptor_impl.hpp"

#include <coir/core/base/config.hpp>
#include <coir/executors/process/bytes.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace coir::detail {

class mail_slot {
public:
    enum state : std::uint32_t { idle, waiting, full, look };

    // --- the sender's ----------------------------------------------------------------------------------------------
    /// False: nobody looks, or it does not fit. It has to go through the socket.
    bool try_post(std::span<std::byte const> message) noexcept;
    /// Before something is sent through the socket: who looks here is not to wait any longer.
    void point_to_socket() noexcept;

    // --- the receiver's ----------------------------------------------------------------------------------------------
    /// False if the slot is not idle.
    bool begin() noexcept;
    bool is_undisturbed() const noexcept { return state_.load(std::memory_order_relaxed) == waiting; }
    /// No more looking, unless there is a message: then true, and take() has to follow.
    bool end() noexcept;
    bool is_full() const noexcept { return state_.load(std::memory_order_acquire) == full; }
    /// True for one caller: the message is his to read, until he allows the next one to be sent.
    bool claim() noexcept;
    /// After claim(): copies the message. Nothing if it claims to be longer than the slot.
    std::optional<std::size_t> read(std::span<std::byte> to) const noexcept;

    static constexpr std::size_t k_room = 8192 - 128;

private:
    alignas(64) std::atomic<std::uint32_t> state_{idle};
    alignas(64) std::atomic<std::uint64_t> size_{0};
    std::array<std::byte, k_room> bytes_;
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free);

struct mailbox {
    mail_slot to_worker;
    mail_slot to_pool;
};

/// Looks for a message, at most for `at_most`, and not after `stop()`. True if there is one, to be claimed. Does
/// not give way to others by sched_yield: where there are any, that costs a whole slice of theirs.
template <class Stop>
bool look_into(mail_slot& slot, std::chrono::nanoseconds at_most, Stop stop) noexcept {
    constexpr int k_looks_between_clocks = 32;
    if (!slot.begin()) {
        return false;
    }
    auto const give_up = std::chrono::steady_clock::now() + at_most;
    for (;;) {
        for (int i = 0; i < k_looks_between_clocks; ++i) {
            if (!slot.is_undisturbed()) {
                return slot.end();
            }
            spin_pause();
        }
        if (stop() || std::chrono::steady_clock::now() >= give_up) {
            return slot.end();
        }
    }
}

/// A mailbox as one process sees it.
class mailbox_mapping {
public:
    mailbox_mapping() = default;
    /// The pool's side: makes one. Throws std::system_error.
    static mailbox_mapping make(owned_descriptor& descriptor);
    /// The worker's side. Throws std::system_error. Children of the process do not see it.
    static mailbox_mapping open(owned_descriptor descriptor);
    mailbox_mapping(mailbox_mapping&& other) noexcept;
    mailbox_mapping& operator=(mailbox_mapping&& other) noexcept;
    ~mailbox_mapping();

    mailbox* operator->() const noexcept { return box_; }
    explicit operator bool() const noexcept { return box_ != nullptr; }

private:
    explicit mailbox_mapping(mailbox* box) noexcept : box_(box) {}

    mailbox* box_ = nullptr;
};

}  // namespace coir::detail
