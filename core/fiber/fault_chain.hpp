// SPDX-License-Identifier: BSL-1.0
#pragma once

// A handler for SIGSEGV or SIGBUS that looks at each one first, and passes it on to whoever handled it before, as if it were
// not there itself. All but install() is for handlers: no locks, no allocation.

#include <atomic>
#include <csignal>
#include <cstdint>

#include <ucontext.h>

namespace coir::detail {

struct registers {
    std::uintptr_t pc = 0;
    std::uintptr_t sp = 0;
};

/// Where the interrupted code was: `context` is a signal handler's third argument.
inline registers registers_in(void const* context) noexcept {
    auto const& machine = static_cast<::ucontext_t const*>(context)->uc_mcontext;
#if defined(__x86_64__)
    return {static_cast<std::uintptr_t>(machine.gregs[REG_RIP]), static_cast<std::uintptr_t>(machine.gregs[REG_RSP])};
#elif defined(__aarch64__)
    return {static_cast<std::uintptr_t>(machine.pc), static_cast<std::uintptr_t>(machine.sp)};
#else
#error "name the program counter and the stack pointer of this machine"
#endif
}

/// Not sent by kill, raise or sigqueue: the instruction would fault again.
inline bool is_fault(::siginfo_t const& info) noexcept {
    return info.si_code > 0;
}

/// Of static storage: a handler stays for good.
class fault_chain {
public:
    constexpr explicit fault_chain(int signal) noexcept : signal_(signal) {}
    fault_chain(fault_chain const&) = delete;
    fault_chain& operator=(fault_chain const&) = delete;

    /// Once. What `handler` reads has to be there before. It runs on the thread's signal stack, with the mask and the nesting that
    /// the one before asked for, as that runs inside of it; and must leave errno as it was.
    void install(void (*handler)(int, ::siginfo_t*, void*)) noexcept;

    int signal() const noexcept { return signal_; }

    /// What would have happened without our handler. To be called by it, as the last thing.
    void pass_on(::siginfo_t* info, void* context) noexcept;

    /// From here on the kernel does what it does without a handler. A fault then happens again when the handler returns:
    /// with the registers and the address of the real thing, so that the core dump shows it.
    void take_default_action() noexcept;

private:
    int signal_;
    struct sigaction previous_ {};
    std::atomic<bool> spent_{false};  // the previous one was to run once (SA_RESETHAND), and has
};

}  // namespace coir::detail
