// SPDX-License-Identifier: BSL-1.0
#include "core/base/futex.hpp"

#include <cerrno>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace coir::detail {
namespace {

// `scope`: FUTEX_PRIVATE_FLAG or k_shared.
constexpr int k_shared = 0;

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, timespec const* timeout,
           int scope = FUTEX_PRIVATE_FLAG) noexcept {
    return ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), operation | scope, value, timeout, nullptr,
                     FUTEX_BITSET_MATCH_ANY);
}

bool wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                std::chrono::steady_clock::time_point deadline, int scope) noexcept {
    using namespace std::chrono;
    auto const since_boot = deadline.time_since_epoch();
    if (since_boot.count() <= 0) {
        return false;
    }
    auto const whole = duration_cast<seconds>(since_boot);
    timespec const absolute{static_cast<std::time_t>(whole.count()),
                            static_cast<long>(duration_cast<nanoseconds>(since_boot - whole).count())};
    if (futex(word, FUTEX_WAIT_BITSET, expected, &absolute, scope) == 0) {
        return true;
    }
    // errno is read once, right behind the call, and this thread has not switched fibers in between.
    return errno != ETIMEDOUT;
}

}  // namespace

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept {
    futex(word, FUTEX_WAIT_BITSET, expected, nullptr);
}

bool futex_wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                      std::chrono::steady_clock::time_point deadline) noexcept {
    return wait_until(word, expected, deadline, FUTEX_PRIVATE_FLAG);
}

void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
    futex(word, FUTEX_WAKE, static_cast<std::uint32_t>(count), nullptr);
}

bool futex_wait_shared_until(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                             std::chrono::steady_clock::time_point deadline) noexcept {
    return wait_until(word, expected, deadline, k_shared);
}

void futex_wake_shared(std::atomic<std::uint32_t>& word, int count) noexcept {
    futex(word, FUTEX_WAKE, static_cast<std::uint32_t>(count), nullptr, k_shared);
}

}  // namespace coir::detail
