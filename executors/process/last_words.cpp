// SPDX-License-Identifier: BSL-1.0
//
// Invariants
//   1. What the handler reads is written before it is installed, but for the job's number, which the thread writes on which
//      it runs.
//   2. The handler makes system calls alone, and changes nothing that the interrupted code can see, errno included.
#include "executors/process/last_words_impl.hpp"

#include "executors/process/channel_impl.hpp"
#include "executors/process/frame_impl.hpp"
#include "executors/process/spawn_impl.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>

#include <pthread.h>
#include <ucontext.h>

namespace coir::detail {
namespace {

// The kernel keeps so much room between a stack that grows and what is mapped below, and some more.
constexpr std::uintptr_t k_gap = (std::uintptr_t{1} << 20) + 64 * 1024;
// A frame of that size may jump the gap.
constexpr std::uintptr_t k_largest_frame = std::uintptr_t{64} << 20;

std::uintptr_t stack_end = 0;
struct sigaction previous {};
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

std::uintptr_t stack_pointer(void const* context) noexcept {
    auto const& machine = static_cast<::ucontext_t const*>(context)->uc_mcontext;
#if defined(__x86_64__)
    return static_cast<std::uintptr_t>(machine.gregs[REG_RSP]);
#elif defined(__aarch64__)
    return static_cast<std::uintptr_t>(machine.sp);
#else
#error "name the stack pointer of this machine"
#endif
}

bool is_at_the_end(std::uintptr_t address) noexcept {
    return address < stack_end + k_gap && address + k_largest_frame > stack_end;
}

void on_fault(int signal, ::siginfo_t* info, void* context) {
    int const saved_errno = errno;
    // Not one that was sent. A stray pointer to that place, from a stack with room left, is another bug.
    if (info->si_code > 0 && is_at_the_end(reinterpret_cast<std::uintptr_t>(info->si_addr)) &&
        is_at_the_end(stack_pointer(context))) {
        std::array<std::byte, k_frame_header_size> message;
        write_header(message, {frame_kind::overflow, running_job.load(std::memory_order_relaxed), 0});
        send_some(k_worker_channel, message);
    }
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
        previous.sa_sigaction(signal, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal);
    } else {
        // The fault happens again, and then the kernel ends the process.
        struct sigaction action {};
        action.sa_handler = SIG_DFL;
        ::sigaction(signal, &action, nullptr);
        if (info->si_code <= 0) {
            ::raise(signal);  // what was sent does not; it is pending until the handler returns
        }
    }
    errno = saved_errno;
}

}  // namespace

last_words::last_words() {
    stack_end = end_of_this_stack();
    ::sigaction(SIGSEGV, nullptr, &previous);
    struct sigaction ours {};
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (previous.sa_flags & (SA_NODEFER | SA_RESTART));
    ours.sa_mask = previous.sa_mask;
    if (stack_end != 0) {
        ::sigaction(SIGSEGV, &ours, nullptr);
    }
}

void last_words::are_of(std::uint64_t job) noexcept {
    running_job.store(job, std::memory_order_relaxed);
}

}  // namespace coir::detail
