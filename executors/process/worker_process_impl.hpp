// SPDX-License-Identifier: BSL-1.0
#pragma once

// The pool's picture of one worker process.

#include "executors/process/bell_impl.hpp"
#include "executors/process/channel_impl.hpp"
#include "executors/process/frame_impl.hpp"
#include "executors/process/mailbox_impl.hpp"
#include "executors/process/segment_impl.hpp"
#include "executors/process/spawn_impl.hpp"

#include <coir/executors/process/job.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>

namespace coir::detail {

/// What a pool is about to send to a worker, whole: its owner may be gone before the worker has read it.
struct outgoing {
    std::shared_ptr<byte_buffer const> bytes;
    std::shared_ptr<segment> shared;  // whose descriptor goes along, if any
    std::size_t sent = 0;
    owned_descriptor mail;  // goes along
    int bell = -1;          // and so does this
};

struct worker_process : std::enable_shared_from_this<worker_process> {
    using time_point = std::chrono::steady_clock::time_point;

    enum class stage : std::uint8_t {
        starting,  // has not said that it is ready
        idle,
        busy,
        doomed,    // has been killed, or must be
        retiring,  // is to end by itself
    };

    explicit worker_process(std::uint64_t n) noexcept : number(n) {}

    std::uint64_t const number;  // from 1
    std::uint64_t process_tag() const noexcept { return 2 * number; }
    std::uint64_t channel_tag() const noexcept { return 2 * number + 1; }
    spawned_worker process;  // set before anybody else knows of this
    mailbox_mapping mail;    // and so is this; empty where spinning never pays
    answer_bell bell;        // and this; empty if there is no mailbox

    /// Did it look into its mailbox when it was given its last job? Else it has to be woken first.
    std::atomic<bool> is_awake{false};

    // --- the keeper's ----------------------------------------------------------------------------------------------
    frame_reader reader;
    bool said_hello = false;
    bool channel_open = true;
    bool left_bytes_unread = false;  // it closed its end of the channel while something of ours lay there
    bool was_late = false;
    bool has_overflowed = false;              // so it says
    std::exception_ptr start_error;           // why it will not become ready
    std::string doom;                         // why the keeper has killed it
    time_point deadline = time_point::max();  // when it is killed, starting, retiring or without a channel

    // --- under the pool's lock -------------------------------------------------------------------------------------
    stage now = stage::starting;
    bool has_ended = false;       // only the keeper writes it
    bool answer_in_hand = false;  // somebody has claimed what lay in the mailbox, and completes the job
    bool at_bell = false;         // who waits for the answer is a task, which takes it when it gets to run
    bool unfinished = false;      // it has answered somebody else than the keeper, who has to see to what comes next
    job_ref job;
    std::size_t jobs_given = 0;
    std::shared_ptr<segment> reading;  // what its job refers to, until it has answered or ended

    // --- of whom has the answer in hand --------------------------------------------------------------------------------
    std::array<std::byte, mail_slot::k_room> from_mail;

    // --- under `io`, which is taken after the pool's lock if both are -------------------------------------------------
    std::mutex io;
    outgoing sending;
    bool send_failed = false;
    std::unordered_set<std::uint64_t> known_segments;

    /// Sends as much as there is room for. False: not everything, so that the caller has to wait for room.
    bool send_what_fits() noexcept;
    /// Has everything that was to be sent gone out?
    bool all_sent() const noexcept { return sending.bytes == nullptr && !send_failed; }
};

}  // namespace coir::detail
