// SPDX-License-Identifier: BSL-1.0
//
// Invariants
//   1. What the handler reads is written before it is installed, but for the job's number, which the thread writes on which
//      it runs.
//   2. The handler makes system calls alone, and changes nothing that the interrupted code can see, errno included.
#include "executors/process/last_words_impl.hpp"

#include "core/fiber/fault_chain.hpp"
#include "executors/process/channel_impl.hpp"
#include "executors/process/frame_impl.hpp"
#include "executors/process/spawn_impl.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>

#include <pthread.h>

namespace coir::detail {
namespace {

// The kernel keeps so much room between a stack that grows and what is mapped below, and some more.
constexpr std::uintptr_t k_gap = (std::uintptr_t{1} << 20) + 64 * 1024;
// A frame of that size may jump the gap.
constexpr std::uintptr_t k_largest_stack_frame = std::uintptr_t{64} << 20;

std::uintptr_t stack_end = 0;
constinit fault_chain segmentation_faults{SIGSEGV};
std::atomic<std::uint64_t> running_job{0};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// The stack of the main thread grows down to where its limit is.
std::uintptr_t end_of_this_stack() noexcept {
    pthread_attr_t attributes;
    void* lowest = nullptr;
    std::size_t size = 0;
    if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) {
        return 0;
    }
    ::pthread_attr_getstack(&attributes, &lowest, &size);
    ::pthread_attr_destroy(&attributes);
    return reinterpret_cast<std::uintptr_t>(lowest);
}

bool is_at_the_end(std::uintptr_t address) noexcept {
    return address < stack_end + k_gap && address + k_largest_stack_frame > stack_end;
}

void on_fault(int, ::siginfo_t* info, void* context) {
    int const saved_errno = errno;
    // Not one that was sent. A stray pointer to that place, from a stack with room left, is another bug.
    if (is_fault(*info) && is_at_the_end(reinterpret_cast<std::uintptr_t>(info->si_addr)) &&
        is_at_the_end(registers_in(context).sp)) {
        std::array<std::byte, k_frame_header_size> message;
        write_header(message, {frame_kind::overflow, running_job.load(std::memory_order_relaxed), 0});
        send_some(k_worker_channel, message);
    }
    segmentation_faults.pass_on(info, context);
    errno = saved_errno;
}

}  // namespace

last_words::last_words() {
    stack_end = end_of_this_stack();
    if (stack_end != 0) {
        segmentation_faults.install(on_fault);
    }
}

void last_words::are_of(std::uint64_t job) noexcept {
    running_job.store(job, std::memory_order_relaxed);
}

}  // namespace coir::detail
