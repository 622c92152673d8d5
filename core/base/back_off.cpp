// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/back_off.hpp>

#include <coir/core/base/config.hpp>

#include <ctime>

#include <sched.h>

namespace coir::detail {
namespace {

// Guessed: about 1 µs of spinning covers every critical section whose holder is running.
constexpr int k_spin_rounds = 64;
constexpr int k_yield_rounds = k_spin_rounds + 8;
// A nap lets a preempted holder run even when sched_yield prefers other spinners.
constexpr long k_nap_nanoseconds = 20'000;

}  // namespace

void back_off::pause() noexcept {
    if (round_ < k_spin_rounds) {
        ++round_;
        spin_pause();
    } else if (round_ < k_yield_rounds) {
        ++round_;
        ::sched_yield();
    } else {
        timespec const nap{0, k_nap_nanoseconds};
        ::nanosleep(&nap, nullptr);
    }
}

}  // namespace coir::detail
