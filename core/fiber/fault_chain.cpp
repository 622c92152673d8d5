// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/fault_chain.hpp"

#include <coir/core/base/assert.hpp>

// Invariant: previous_ is complete before the kernel can call the handler, and never changes afterwards.

namespace coir::detail {

void fault_chain::install(void (*handler)(int, ::siginfo_t*, void*)) noexcept {
    // Asked first and replaced then: the handler may run before the second call has returned.
    COIR_VERIFY(::sigaction(signal_, nullptr, &previous_) == 0);
    struct sigaction ours {};
    ours.sa_sigaction = handler;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (previous_.sa_flags & (SA_NODEFER | SA_RESTART));
    ours.sa_mask = previous_.sa_mask;
    COIR_VERIFY(::sigaction(signal_, &ours, nullptr) == 0);
}

void fault_chain::pass_on(::siginfo_t* info, void* context) noexcept {
    bool const wants_info = (previous_.sa_flags & SA_SIGINFO) != 0;
    bool const spent = (previous_.sa_flags & static_cast<int>(SA_RESETHAND)) != 0 && spent_.exchange(true);
    bool const ignores = !wants_info && previous_.sa_handler == SIG_IGN;
    bool const by_default = !wants_info && previous_.sa_handler == SIG_DFL;
    if (ignores && !is_fault(*info)) {
        return;
    }
    // A fault cannot be ignored: the kernel takes the default action, and so do we.
    if (spent || ignores || by_default) {
        take_default_action();
        if (!is_fault(*info)) {
            ::raise(signal_);  // pending until the handler returns
        }
    } else if (wants_info) {
        previous_.sa_sigaction(signal_, info, context);
    } else {
        previous_.sa_handler(signal_);
    }
}

void fault_chain::take_default_action() noexcept {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    ::sigaction(signal_, &action, nullptr);
}

}  // namespace coir::detail
