// SPDX-License-Identifier: BSL-1.0
#include "core/base/futex.hpp"

#include <cerrno>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace coir::detail {
namespace {

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, timespec const* timeout) noexcept {
    return ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), operation | FUTEX_PRIVATE_FLAG, value, timeout,
                     nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept {
    futex(word, FUTEX_WAIT_BITSET, expected, nullptr);
}

bool futex_wait_until(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                      std::chrono::steady_clock::time_point deadline) noexcept {
    using namespace std::chrono;
    auto const since_boot = deadline.time_since_epoch();
    if (since_boot.count() <= 0) {
        return false;
    }
    auto const whole = duration_cast<seconds>(since_boot);
    timespec const absolute{static_cast<std::time_t>(whole.count()),
                            static_cast<long>(duration_cast<nanoseconds>(since_boot - whole).count())};
    if (futex(word, FUTEX_WAIT_BITSET, expected, &absolute) == 0) {
        return true;
    }
    // errno is read once, right behind the call, and this thread has not switched fibers in between.
    return errno != ETIMEDOUT;
}

void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
    futex(word, FUTEX_WAKE, static_cast<std::uint32_t>(count), nullptr);
}

}  // namespace coir::detail
