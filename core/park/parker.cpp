// SPDX-License-Identifier: BSL-1.0
#include "core/park/parker.hpp"

#include "core/base/futex.hpp"

namespace coir::detail {

bool thread_parker::take_token() noexcept {
    std::uint32_t expected = k_token;
    return word_.compare_exchange_strong(expected, k_empty, std::memory_order_acquire, std::memory_order_relaxed);
}

bool thread_parker::take_token_or_announce() noexcept {
    std::uint32_t expected = k_empty;
    // Only this thread turns empty into parked, and others turn both into token: what is not empty is a token.
    return !word_.compare_exchange_strong(expected, k_parked, std::memory_order_relaxed, std::memory_order_relaxed) &&
           take_token();
}

void thread_parker::park() noexcept {
    if (take_token_or_announce()) {
        return;
    }
    do {
        futex_wait(word_, k_parked);
    } while (!take_token());
}

bool thread_parker::park_until(std::chrono::steady_clock::time_point deadline) noexcept {
    if (take_token_or_announce()) {
        return true;
    }
    while (futex_wait_until(word_, k_parked, deadline)) {
        if (take_token()) {
            return true;
        }
    }
    // Take the announcement back; a token that comes at the last moment counts.
    return word_.exchange(k_empty, std::memory_order_acquire) == k_token;
}

void thread_parker::unpark() noexcept {
    if (word_.exchange(k_token, std::memory_order_release) == k_parked) {
        futex_wake(word_, 1);  // invariant 2: the address only
    }
}

}  // namespace coir::detail
