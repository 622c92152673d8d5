// SPDX-License-Identifier: BSL-1.0
#include "core/base/thread_count.hpp"

#include <coir/core/base/config.hpp>
#include <coir/core/base/errno_of.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace coir::detail {
namespace {

std::atomic<std::uint64_t> fell_asleep{0};
std::atomic<std::uint64_t> woke_up{0};

// ThreadSanitizer has one of its own.
constexpr std::size_t k_threads_of_tools = COIR_TSAN;

// Whether the kernel has the thread asleep: state S of proc(5).
bool is_asleep(char const* thread_id) noexcept {
    char path[sizeof "/proc/self/task//stat" + 24];
    std::snprintf(path, sizeof path, "/proc/self/task/%.24s/stat", thread_id);
    int const file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    char text[128] = {};  // the id, the name of at most 15 bytes in parentheses, the state
    ssize_t const length = ::read(file, text, sizeof text - 1);
    ::close(file);
    char const* const name_ends = length > 0 ? std::strrchr(text, ')') : nullptr;
    return name_ends != nullptr && name_ends[1] == ' ' && name_ends[2] == 'S';
}

// Whether the entry of /proc/self/task is a thread other than `self` that may be awake.
bool may_be_awake(dirent64 const& entry, pid_t self) noexcept {
    auto const* const name = static_cast<char const*>(entry.d_name);
    return name[0] != '.' && std::strtol(name, nullptr, 10) != self && !is_asleep(name);
}

// Without memory of its own, which opendir() takes: a runtime may be stuck because there is none.
bool all_but_this_one_sleep() noexcept {
    int const threads = ::open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (threads < 0) {
        return false;
    }
    pid_t const self = ::gettid();
    alignas(dirent64) std::array<char, 2048> entries;
    ssize_t length = 0;
    bool asleep = true;
    while (asleep && (length = ::getdents64(threads, entries.data(), entries.size())) > 0) {
        for (ssize_t at = 0; asleep && at < length;) {
            auto const& entry = *reinterpret_cast<dirent64 const*>(entries.data() + at);
            asleep = !may_be_awake(entry, self);
            at += entry.d_reclen;
        }
    }
    ::close(threads);
    return asleep && length == 0;
}

}  // namespace

wakes_nobody::wakes_nobody() noexcept {
    fell_asleep.fetch_add(1, std::memory_order_seq_cst);
}

wakes_nobody::~wakes_nobody() {
    woke_up.fetch_add(1, std::memory_order_seq_cst);
}

other_threads look_for_other_threads(std::size_t accounted_for) noexcept {
    std::uint64_t const left = woke_up.load(std::memory_order_seq_cst);  // before the other one: never more than it
    std::uint64_t const entered = fell_asleep.load(std::memory_order_seq_cst);
    struct stat status {};
    if (!errno_of(&::stat, "/proc/self/task", &status)) {
        return other_threads::exist;
    }
    // A directory has a link for each of its subdirectories, and two of its own.
    std::size_t const threads = status.st_nlink - 2;
    if (threads != accounted_for + (entered - left) + k_threads_of_tools) {
        return other_threads::exist;
    }
    // A thread that was woken counts as blocked until it has run.
    bool const nobody_has_moved = all_but_this_one_sleep() && woke_up.load(std::memory_order_seq_cst) == left &&
                                  fell_asleep.load(std::memory_order_seq_cst) == entered;
    return nobody_has_moved ? other_threads::none : other_threads::just_woken;
}

}  // namespace coir::detail
