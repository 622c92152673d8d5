// SPDX-License-Identifier: BSL-1.0
#pragma once

// The child of a fork in which a runtime lives has one thread, the one that has forked, everybody's locks as they were, and its
// parent's pollers. It may call exec or _exit; of coir it can use nothing, and is told so.

#include <atomic>
#include <cstdint>

namespace coir::detail {

/// Is this process such a child? Set by the handler of core/sched.
inline std::atomic<bool> in_a_fork{false};

/// Throws invalid_state in such a child.
void refuse_in_a_fork();

/// On the way from the first process to this one, since the first original_process was made.
inline std::atomic<std::uint32_t> forks_so_far{0};

/// Remembers a process. One that comes of it by fork() has a copy, and is another. (Not seen: _Fork(), clone().)
class original_process {
public:
    /// This one. Throws std::system_error.
    original_process();
    void become_this() noexcept {
        forks_.store(forks_so_far.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    bool is_this() const noexcept {
        return forks_so_far.load(std::memory_order_relaxed) == forks_.load(std::memory_order_relaxed);
    }

private:
    std::atomic<std::uint32_t> forks_;
};

/// For who would wait there for a thread that does not exist: says so on stderr and aborts.
[[noreturn]] void end_in_a_fork() noexcept;

}  // namespace coir::detail
