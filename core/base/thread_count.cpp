// SPDX-License-Identifier: BSL-1.0
#include "core/base/thread_count.hpp"

#include <coir/core/base/config.hpp>
#include <coir/core/base/errno_of.hpp>

#include <atomic>

#include <sys/stat.h>

namespace coir::detail {
namespace {

std::atomic<std::size_t> blocked_for_good{0};

// ThreadSanitizer has one of its own.
constexpr std::size_t k_threads_of_tools = COIR_TSAN;

}  // namespace

wakes_nobody::wakes_nobody() noexcept {
    blocked_for_good.fetch_add(1, std::memory_order_seq_cst);
}

wakes_nobody::~wakes_nobody() {
    blocked_for_good.fetch_sub(1, std::memory_order_seq_cst);
}

bool other_threads_exist(std::size_t accounted_for) noexcept {
    struct stat status {};
    if (!errno_of(&::stat, "/proc/self/task", &status)) {
        return true;
    }
    // A directory has a link for each of its subdirectories, and two of its own.
    std::size_t const threads = status.st_nlink - 2;
    return threads != accounted_for + blocked_for_good.load(std::memory_order_seq_cst) + k_threads_of_tools;
}

}  // namespace coir::detail
