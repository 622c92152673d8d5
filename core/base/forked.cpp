// SPDX-License-Identifier: BSL-1.0
#include "core/base/forked.hpp"

#include <coir/core/base/errors.hpp>

#include <cstdio>
#include <cstdlib>
#include <system_error>

#include <pthread.h>

namespace coir::detail {
namespace {

constexpr char k_forked[] =
    "coir: this process is a fork of one in which a runtime lives, and has none of its threads: "
    "after fork() call exec or _exit, or fork before the first runtime";

std::uint32_t count_forks() {
    static int const error =
        ::pthread_atfork(nullptr, nullptr, [] { forks_so_far.fetch_add(1, std::memory_order_relaxed); });
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), "coir: pthread_atfork");
    }
    return forks_so_far.load(std::memory_order_relaxed);
}

}  // namespace

original_process::original_process() : forks_(count_forks()) {}

void refuse_in_a_fork() {
    if (in_a_fork.load(std::memory_order_relaxed)) [[unlikely]] {
        throw invalid_state(k_forked);
    }
}

void end_in_a_fork() noexcept {
    std::fprintf(stderr, "%s\n", k_forked);
    std::abort();
}

}  // namespace coir::detail
