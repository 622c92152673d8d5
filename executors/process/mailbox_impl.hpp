// SPDX-License-Identifier: BSL-1.0
#pragma once

// The short way between a pool and a worker: shared memory for one small message in each direction, used only while the
// receiver is looking or sleeps there. Whoever finds that nobody does sends through the socket, which wakes the receiver; so
// nothing is lost.
//
// Roles: one sender and one receiver for each slot, in different processes.
//
// `state` of a slot
//   idle -> waiting     the receiver begins to look
//   waiting -> full     the sender has put a message there
//   waiting -> look     the sender has sent something through the socket instead
//   waiting -> asleep   the receiver has looked in vain and goes to sleep
//   waiting -> at_bell  the receiver, a task, has looked in vain, and suspends until the sender rings a bell
//   asleep -> full      the sender has put a message there, and wakes the receiver
//   at_bell -> full     the sender has put a message there, and rings
//   at_bell -> look     the sender has sent something through the socket instead, or is to do that
//   asleep -> look      the sender has sent something through the socket instead, or somebody else has what the receiver
//                       waits for; whoever it was wakes it
//   full -> idle        the receiver takes the message
//   waiting, asleep, at_bell, look -> idle   the receiver gives up; if the compare-exchange fails, the message has come after all
//
// Invariants
//   1. The sender writes `size` and `bytes` while the receiver waits or sleeps, and publishes them by the change to full. If
//      that fails the message goes through the socket.
//   2. The pool believes nothing that it reads here: it copies a message of a size within the slot, and then treats the
//      copy like bytes from the socket. The size of the memory is sealed, so that no access faults.
//   3. A worker can claim any state at any time. Whatever it does, each step of the pool's ends: so who sleeps here does it
//      for a bounded time, and believes nobody's word but the job's.
//   4. A worker begins before it answers, and nothing is sent to it before it has. So whoever sends through the socket finds
//      it waiting or asleep, and tells it: it need not look there before it goes to sleep here.

#include "core/base/patience.hpp"
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
    enum state : std::uint32_t { idle, waiting, full, look, asleep, at_bell };

    // --- the sender's ----------------------------------------------------------------------------------------------
    enum class receiver : std::uint8_t { elsewhere, looks, sleeps, hears };
    /// Where the receiver has got it: if it slept it is woken, if it hears the bell the caller has to ring. Only for who
    /// `can_ring`. `elsewhere`: nobody waits there, or it does not fit. It has to go through the socket.
    receiver try_post(std::span<std::byte const> message, bool can_ring = false) noexcept;
    /// After try_post(), when the receiver could not be told. True if the message has not been taken: it has to go through the
    /// socket.
    bool take_back() noexcept { return claim(); }
    /// Before something is sent through the socket: who waits here is not to wait any longer. True if it sleeps, and wake() has to
    /// follow.
    [[nodiscard]] bool point_to_socket() noexcept;
    void wake() noexcept;
    bool is_asleep() const noexcept { return state_.load(std::memory_order_relaxed) == asleep; }

    // --- the receiver's ----------------------------------------------------------------------------------------------
    /// False if the slot is not idle.
    bool begin() noexcept;
    bool is_undisturbed() const noexcept { return state_.load(std::memory_order_relaxed) == waiting; }
    /// After begin(), in place of looking: sleeps until something comes, somebody calls rouse(), or the deadline has passed, but
    /// not while `is_over()`, which whoever calls rouse() has made true before. Blocks the thread.
    template <class Stop>
    void sleep_until(std::chrono::steady_clock::time_point deadline, Stop is_over) noexcept {
        std::uint32_t expected = waiting;
        state_.compare_exchange_strong(expected, asleep);  // partner: the one in rouse()
        while (!is_over() && still_sleeps(deadline)) {
        }
    }
    /// For anybody on the receiver's side.
    void rouse() noexcept;
    /// After begin(), in place of looking: the sender is to ring. False if something has come.
    bool wait_for_bell() noexcept {
        std::uint32_t expected = waiting;
        return state_.compare_exchange_strong(expected, at_bell, std::memory_order_release, std::memory_order_relaxed);
    }
    /// No more looking, unless there is a message: then true, and take() has to follow.
    bool end() noexcept;
    bool is_full() const noexcept { return state_.load(std::memory_order_acquire) == full; }
    /// True for one caller: the message is his to read, until he allows the next one to be sent.
    bool claim() noexcept;
    /// After claim(): copies the message. Nothing if it claims to be longer than the slot.
    std::optional<std::size_t> read(std::span<std::byte> to) const noexcept;

    static constexpr std::size_t k_room = 8192 - 128;

private:
    /// False: there is something to look at, or the deadline has passed.
    bool still_sleeps(std::chrono::steady_clock::time_point deadline) noexcept;

    alignas(64) std::atomic<std::uint32_t> state_{idle};
    alignas(64) std::atomic<std::uint64_t> size_{0};
    std::array<std::byte, k_room> bytes_;
};
// What keeps its receiver from being woken keeps it that long. Afterwards a worker sleeps at the socket, where it hears of its
// pool's end, however that comes.
inline constexpr auto k_longest_sleep = std::chrono::milliseconds(100);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free);

struct mailbox {
    mail_slot to_worker;
    mail_slot to_pool;
};

/// Between begin() and end(): see look_until().
template <class Stop>
bool watch_for(mail_slot const& slot, std::chrono::nanoseconds at_most, Stop stop) noexcept {
    return look_until([&slot] { return !slot.is_undisturbed(); }, at_most, stop);
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
